"""What an input makes of a batch of values, and what every kind of input is."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Feeds = dict[str, npt.NDArray[Any]]


class Drawing(NamedTuple):
    """A sketch as a model sees it.

    Attributes:
        image: RGB, dark on white, square.
        told: what was done to it, a clause each.
    """

    image: Image.Image
    told: tuple[str, ...]


@dataclass(frozen=True)
class Prepared:
    """A batch ready for a graph.

    Attributes:
        feeds: the graph's inputs.
        truncated: rows whose text was longer than the limit.
        unknown: row -> its words, or characters, that the tokenizer cannot read.
        blank: rows of which it reads no letter, digit or pictograph, so that their embeddings say
            nothing of what was asked.
        drawings: row -> its sketch as it was prepared, where that changed it.
    """

    feeds: Feeds
    truncated: tuple[int, ...] = ()
    unknown: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    blank: tuple[int, ...] = ()
    drawings: Mapping[int, Drawing] = field(default_factory=dict)

    def __or__(self, other: Prepared) -> Prepared:
        """Return the same rows with another input's feeds as well."""
        both = (self, other)
        unknown: dict[int, tuple[str, ...]] = {}
        for row, words in (pair for one in both for pair in one.unknown.items()):
            unknown[row] = (*unknown.get(row, ()), *words)
        return Prepared(
            {**self.feeds, **other.feeds},
            tuple(sorted({row for one in both for row in one.truncated})),
            unknown,
            tuple(sorted({row for one in both for row in one.blank})),
            {**self.drawings, **other.drawings},
        )

    def __and__(self, other: Prepared) -> Prepared:
        """Return the same rows of one field, which another input reads as well.

        What either of them reads is read: unknown is what both lack, blank what both find blank.
        """
        unknown = {
            row: kept
            for row, words in self.unknown.items()
            if (kept := tuple(word for word in words if word in other.unknown.get(row, ())))
        }
        blank = tuple(row for row in self.blank if row in other.blank)
        return replace(self | other, unknown=unknown, blank=blank)


def says_something(characters: Iterable[str]) -> bool:
    """Say whether any is a letter, a digit or a pictograph (Unicode's classes L, N and So).

    Punctuation, marks and what is not seen, such as U+200B, say nothing by themselves.
    """
    classes = map(unicodedata.category, characters)
    return any(one[0] in "LN" or one == "So" for one in classes)


class Input(Protocol):
    """Prepares one field of queries.

    Attributes:
        field: the field of a query that it reads: `text`, `image`, `sketch` or `vector`.
        names: the graph's inputs that it feeds.
        mask: the one of them that is 1 where a text has tokens and 0 behind them, whose number of
            columns is for the batch to choose; None where padding counts, or there is none.
    """

    field: str
    names: tuple[str, ...]
    mask: str | None

    def prepare(self, values: Sequence[Any]) -> Prepared:
        """Turn the field's B values into arrays of B rows.

        Raises:
            InputError: a value cannot be used.
        """
