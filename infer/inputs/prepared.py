"""What an input makes of a batch of values, and what every kind of input is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

Feeds = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Prepared:
    """A batch ready for a graph.

    Attributes:
        feeds: the graph's inputs.
        truncated: rows whose text was longer than the limit.
        unknown: row -> its words (or characters) that are not in a closed vocabulary, such as
            TF-IDF's.
        blank: rows of which nothing is in it, so that all of them have one and the same embedding.
    """

    feeds: Feeds
    truncated: tuple[int, ...] = ()
    unknown: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    blank: tuple[int, ...] = ()

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
        )


class Input(Protocol):
    """Prepares one field of queries.

    Attributes:
        field: the field of a query that it reads: `text`, `image`, `sketch` or `vector`.
        names: the graph's inputs that it feeds.
    """

    field: str
    names: tuple[str, ...]

    def prepare(self, values: Sequence[Any]) -> Prepared:
        """Turn the field's B values into arrays of B rows.

        Raises:
            InputError: a value cannot be used.
        """
