"""What is relevant to a query, as a value: graded along a ranking, whatever decides it.

By class, by class and attribute (a label of both), or by item with exclusions and subsets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

Grades = npt.NDArray[np.float32]
Order = npt.NDArray[np.intp]


class Relevance(Protocol):
    """Grades the items of rankings; figures see nothing else of a task."""

    def grades(self, queries: slice, order: Order) -> Grades:
        """Return how relevant each item of some queries' rankings is.

        Args:
            queries: B queries of the task.
            order: (B, G) gallery positions, best first.

        Returns:
            (B, G): 0 or more, NaN where the item is left out of the query's ranking.
        """

    def parts(self) -> Iterator[tuple[slice, Order | None]]:
        """Yield queries that follow each other, and the gallery positions that all of them rank.

        None is the whole gallery. Only what is never ranked for any of them is left out here.
        """

    def widened(self, other: Relevance) -> Relevance:
        """Return the relevance of the same queries over this gallery followed by another one's."""

    def narrowed(self, kept: Sequence[int]) -> Relevance:
        """Return the relevance of the same queries over some of the gallery, by position."""


@dataclass(frozen=True)
class ByLabel:
    """An item is relevant if it has the query's label: its class, or its class and an attribute.

    Attributes:
        queries: (Q,) the label of each query; gallery: (G,) of each gallery item.
    """

    queries: Sequence[str]
    gallery: Sequence[str]

    @cached_property
    def _codes(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        code = {label: number for number, label in enumerate(dict.fromkeys(self.gallery))}
        queries = [code.get(label, -1) for label in self.queries]
        return np.array(queries, np.int64), np.array([code[g] for g in self.gallery], np.int64)

    def grades(self, queries: slice, order: Order) -> Grades:
        """Grade 1 where the labels are equal; see `Relevance`."""
        asked, gallery = self._codes
        relevant: Grades = (gallery[order] == asked[queries, None]).astype(np.float32)
        return relevant

    def parts(self) -> Iterator[tuple[slice, Order | None]]:
        """See `Relevance`."""
        yield slice(0, len(self.queries)), None

    def widened(self, other: Relevance) -> ByLabel:
        """See `Relevance`."""
        assert isinstance(other, ByLabel), type(other)
        return ByLabel(self.queries, [*self.gallery, *other.gallery])

    def narrowed(self, kept: Sequence[int]) -> ByLabel:
        """See `Relevance`."""
        return ByLabel(self.queries, [self.gallery[place] for place in kept])


@dataclass(frozen=True)
class Truth:
    """What is relevant to one query, by item id.

    Attributes:
        relevant: item id -> grade above 0; every other item has 0.
        exclude: items that are left out of its ranking, such as its own reference image.
        subset: where there are any, all other items are left out (CIRR's subset recall).
    """

    relevant: Mapping[str, float]
    exclude: tuple[str, ...] = ()
    subset: tuple[str, ...] = ()


@dataclass(frozen=True)
class ByItem:
    """Relevance by item: a truth a query, over gallery items by id."""

    truths: Sequence[Truth]
    gallery: Sequence[str]

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.gallery)}

    def grades(self, queries: slice, order: Order) -> Grades:
        """Look each item up in the query's truth; see `Relevance`."""
        rows = [self._row(truth) for truth in self.truths[queries]]
        return np.take_along_axis(np.stack(rows), order, axis=1)

    def parts(self) -> Iterator[tuple[slice, Order | None]]:
        """See `Relevance`."""
        yield slice(0, len(self.truths)), None

    def _row(self, truth: Truth) -> Grades:
        """Return (G,) grades in the gallery's order; items that it does not hold do not count."""
        row = np.zeros(len(self.gallery), np.float32)
        held = {name: grade for name, grade in truth.relevant.items() if name in self._place}
        row[self._places(held)] = [*held.values()]
        if truth.subset:
            inside = self._places(truth.subset)
            kept, row[:] = row[inside], np.nan
            row[inside] = kept
        row[self._places(truth.exclude)] = np.nan
        return row

    def _places(self, names: Iterable[str]) -> list[int]:
        return [self._place[name] for name in names if name in self._place]

    def widened(self, other: Relevance) -> ByItem:
        """See `Relevance`."""
        assert isinstance(other, ByItem), type(other)
        return ByItem(self.truths, [*self.gallery, *other.gallery])

    def narrowed(self, kept: Sequence[int]) -> ByItem:
        """See `Relevance`."""
        return ByItem(self.truths, [self.gallery[place] for place in kept])
