"""The words that a bundle's compositions are made with: zscr's own lists, or a user's files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zscr.artefact import hash_bytes
from zscr.data.names import nfc
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.composition.words import own_words
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.lines import read_lines
from zscr.infer.reading import read_batch
from zscr.progress import progress, say

_MOST = 100_000  # words of a list: each of them is embedded
_BATCH = 32


@dataclass(frozen=True)
class Words:
    """Lists of words that the text graph is asked about.

    Attributes:
        objects: names of things; styles: of styles and contexts.
        vocabulary: the words that FreeDom may say an image in; empty without.
        files: list -> the sha256 of its words, of those that are a user's; None without any.
    """

    objects: tuple[str, ...]
    styles: tuple[str, ...]
    vocabulary: tuple[str, ...] = ()
    files: dict[str, str] | None = None


def read_words(
    objects: Path | None = None, styles: Path | None = None, vocabulary: Path | None = None
) -> Words:
    """Read a user's lists, UTF-8, a word or phrase a line; what is None is zscr's own, or left out.

    Raises:
        InputError: a file cannot be read, or holds no word or too many.
    """
    own = own_words()
    paths = {"objects": objects, "styles": styles, "vocabulary": vocabulary}
    given = {name: _read(path) for name, path in paths.items() if path is not None}
    files = {name: hash_bytes("\n".join(words).encode()) for name, words in given.items()}
    lists: dict[str, Any] = {"objects": own.objects, "styles": own.styles} | given
    return Words(**lists, files=files or None)


def _read(path: Path) -> tuple[str, ...]:
    lines = [nfc(line) for _, line in read_lines(path)]
    words = tuple(dict.fromkeys(line for line in lines if line))
    if not 0 < len(words) <= _MOST:
        raise InputError(f"{path} holds {len(words)} words; give 1 to {_MOST}, one a line")
    if left := len(lines) - len(words):
        say(f"{path}: {left} lines that are blank or were there before are left out")
    return words


@dataclass(frozen=True, eq=False)
class Known:
    """The words of a list that a text graph reads whole, and their unit rows (N, D)."""

    words: tuple[str, ...]
    rows: Rows


def embed_words(text: Encoder, dim: int, what: str, words: Sequence[str]) -> Known:
    """Embed the words of a list that a text graph reads whole; say how many it does not.

    Of "in the rain" a small vocabulary may know "in" alone, which is another text. Those over the
    limit, of which it reads the beginning, are counted, too.

    Args:
        text: whose rows begin with the embedding of `dim` numbers.
        what: the list is called in messages.
    """
    rows, cut = dict[int, Rows](), 0
    by_length = sorted(range(len(words)), key=lambda place: len(words[place]))  # little padding
    with progress(f"embedding {what}", len(words)) as bar:
        for start in range(0, len(words), _BATCH):
            places = by_length[start : start + _BATCH]
            reading = read_batch(text, Query.of("text", [words[place] for place in places]))
            if prepared := reading.prepared:
                found = text.run(prepared.feeds)[:, :dim]
                whole = [row for row in range(len(found)) if row not in prepared.unknown]
                cut += len({*whole} & {*prepared.truncated})
                rows |= {places[reading.rows[row]]: found[row] for row in whole}
            bar.advance(len(places))
    known = sorted(rows)
    if left := len(words) - len(known):
        say(f"{left} of {len(words)} words of {what} are unknown to the model and left out")
    if cut:
        say(f"{cut} of {len(words)} words of {what} are longer than the model reads and cut")
    matrix = np.array([rows[place] for place in known], np.float32).reshape(-1, dim)
    return Known(tuple(words[place] for place in known), matrix)
