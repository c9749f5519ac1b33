"""Sentences in which an image stands for a word, at one free-standing `*`, and their templates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from zscr.errors import InputError

PLACE, CAPTION = "*", "{}"
_FREE = re.compile(r"(?<!\S)\*(?!\S)")


@dataclass(frozen=True)
class Sentence:
    """A text around the place of an image.

    Attributes:
        sides: what stands before the place, and what behind it.
        cut: (side, start, stop): the characters that may be cut where the text is too long.
        whole: whether the user wrote all of it; else `cut` is what the user wrote.
    """

    sides: tuple[str, str]
    cut: tuple[int, int, int]
    whole: bool

    def asked(self, side: int) -> range:
        """Return the characters of a side that the user wrote."""
        if self.whole:
            return range(len(self.sides[side]))
        own, start, stop = self.cut
        return range(start, stop) if side == own else range(0)


@dataclass(frozen=True)
class Template:
    """A sentence with one place for an image, `*`, and one for a caption, `{}`.

    Raises:
        InputError: it has not exactly one of each, or the `*` touches another character.
    """

    text: str

    def __post_init__(self) -> None:
        what = f"the template {self.text!a:.80}"
        if self.text.count(CAPTION) != 1:
            raise InputError(
                f"{what} has {self.text.count(CAPTION) or 'no'} places for the text; write one "
                f"{{}}, as in 'a photo of * , {{}}'"
            )
        _split(self.text, what)

    def sentence(self, text: str) -> Sentence:
        """Return the sentence that a user's text makes.

        A text with a place of its own is the whole sentence, any other is put into the template.

        Raises:
            InputError: it has two places, or its `*` touches another character.
        """
        if PLACE in text:
            sides = _split(text, f"the text {text!a:.80}")
            return Sentence(sides, (1, 0, len(sides[1])), whole=True)
        sides = _split(self.text, "the template")
        own = int(CAPTION in sides[1])
        before, _, behind = sides[own].partition(CAPTION)
        filled = f"{before}{text}{behind}"
        cut = (own, len(before), len(before) + len(text))
        return Sentence((filled, sides[1]) if own == 0 else (sides[0], filled), cut, whole=False)


def without_place(text: str) -> str:
    """Return a text without the place of an image: what "a sketch of *" says by itself."""
    return " ".join(_FREE.sub(" ", text).split())


def _split(text: str, what: str) -> tuple[str, str]:
    """Return what stands before the place, without the space between, and behind it."""
    stars, places = text.count(PLACE), [*_FREE.finditer(text)]
    if stars != 1:
        raise InputError(
            f"{what} has {stars or 'no'} places for the image; write one *, as in 'a sketch of *'"
        )
    if not places:
        raise InputError(
            f"{what} has a * that touches another character; put a space on each side of it, as in "
            f"'a photo of * , in red', or leave it out"
        )
    return text[: places[0].start()].rstrip(), text[places[0].end() :]


def template_text(value: Any, where: str) -> None:
    """Check a template in a manifest; see `zscr.schema`."""
    if not isinstance(value, str) or len(value) > 1000:
        raise ValueError(f"{where} is no text of at most 1000 characters")
    try:
        Template(value)
    except InputError as error:
        raise ValueError(f"{where}: {error}") from error
