"""Words that an encoder is asked about: zscr's own lists, or a user's.

`objects.txt` are English names of things of everyday life, `styles.txt` the ways in which things
are shown and the places, times and materials in which they are met, as people say them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class WordLists:
    """Names of things, and of styles and contexts."""

    objects: tuple[str, ...]
    styles: tuple[str, ...]


def own_words() -> WordLists:
    """Return zscr's own lists."""
    return WordLists(*(_lines(_HERE / f"{name}.txt") for name in ("objects", "styles")))


def evenly(words: Sequence[str], count: int) -> list[str]:
    """Return at most `count` of the words, evenly spaced, in their order.

    BASIC's code takes the first hundred of an alphabetical list; the paper says that they are
    random.
    """
    return [words[place] for place in evenly_placed(len(words), count)]


def evenly_placed(length: int, count: int) -> list[int]:
    """Return at most `count` places of a list, evenly spaced, with the first and the last."""
    places: list[int] = np.linspace(0, length - 1, min(count, length)).astype(int).tolist()
    return places


def _lines(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text(encoding="utf-8").splitlines())
