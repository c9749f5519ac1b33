"""Relevance to queries that rank a part of the gallery each: some items are left out for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np

from zscr.data.relevance import Grades, Order, Relevance


@dataclass(frozen=True)
class Without:
    """Leaves items out of each query's ranking, such as its own reference image.

    Attributes:
        inner: what is relevant.
        excluded: (Q,) the ids of the items that each query leaves out.
        gallery: (G,) the ids of the gallery's items.
    """

    inner: Relevance
    excluded: Sequence[Sequence[str]]
    gallery: Sequence[str]

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.gallery)}

    def grades(self, queries: slice, order: Order) -> Grades:
        """NaN where an item is left out; see `Relevance`."""
        out = np.zeros((len(order), len(self.gallery)), np.bool_)
        for row, names in enumerate(self.excluded[queries]):
            out[row, [self._place[name] for name in names if name in self._place]] = True
        grades = self.inner.grades(queries, order)
        grades[np.take_along_axis(out, order, axis=1)] = np.nan
        return grades

    def parts(self) -> Iterator[tuple[slice, Order | None]]:
        """See `Relevance`."""
        yield from self.inner.parts()

    def widened(self, other: Relevance) -> Without:
        """See `Relevance`."""
        assert isinstance(other, Without), type(other)
        both = [*self.gallery, *other.gallery]
        return Without(self.inner.widened(other.inner), self.excluded, both)

    def narrowed(self, kept: Sequence[int]) -> Without:
        """See `Relevance`."""
        gallery = [self.gallery[place] for place in kept]
        return Without(self.inner.narrowed(kept), self.excluded, gallery)


@dataclass(frozen=True)
class Within:
    """Lets each query search one of several galleries alone; they may share items.

    Attributes:
        inner: what is relevant, over all the galleries' items together.
        asked: (Q,) the name of the gallery that each query searches.
        galleries: name -> the positions of its items among all, ascending.
        size: G, the number of all items.
    """

    inner: Relevance
    asked: Sequence[str]
    galleries: Mapping[str, Order]
    size: int

    @classmethod
    def of_items(
        cls,
        inner: Relevance,
        asked: Sequence[str],
        galleries: Mapping[str, Collection[str]],
        gallery: Sequence[str],
    ) -> Within:
        """Return it of galleries whose items are listed by id; `gallery` are the ids of all."""
        place = {name: number for number, name in enumerate(gallery)}
        held = {
            name: np.array(sorted(place[one] for one in items if one in place), np.intp)
            for name, items in galleries.items()
        }
        return cls(inner, asked, held, len(gallery))

    @classmethod
    def of_labels(cls, inner: Relevance, asked: Sequence[str], labels: Sequence[str]) -> Within:
        """Return it of a gallery a label, such as a class; `labels` (G,) are the items'."""
        names, code = np.unique(np.asarray(labels), return_inverse=True)
        order = np.argsort(code, kind="stable")  # label after label, ascending in each
        runs = np.split(order, np.cumsum(np.bincount(code))[:-1])
        held = dict.fromkeys(asked, np.zeros(0, np.intp)) | dict(
            zip(names.tolist(), runs, strict=True)
        )
        return cls(inner, asked, held, len(labels))

    def grades(self, queries: slice, order: Order) -> Grades:
        """Grade by the inner relevance, NaN outside a query's own gallery; see `Relevance`."""
        grades = self.inner.grades(queries, order)
        outside = np.ones(self.size, np.bool_)
        for row, name in enumerate(self.asked[queries]):
            outside[self.galleries[name]] = False
            grades[row, outside[order[row]]] = np.nan
            outside[self.galleries[name]] = True
        return grades

    def parts(self) -> Iterator[tuple[slice, Order | None]]:
        """See `Relevance`; one for each run of queries that search the same gallery."""
        start = 0
        for name, run in groupby(self.asked):
            stop = start + len([*run])
            yield slice(start, stop), self.galleries[name]
            start = stop

    def widened(self, other: Relevance) -> Within:
        """See `Relevance`; every query searches the other gallery as well."""
        assert isinstance(other, Within), type(other)
        more = np.arange(self.size, self.size + other.size)
        galleries = {name: np.append(held, more) for name, held in self.galleries.items()}
        inner = self.inner.widened(other.inner)
        return Within(inner, self.asked, galleries, self.size + other.size)

    def narrowed(self, kept: Sequence[int]) -> Within:
        """See `Relevance`."""
        now = np.full(self.size, -1)
        now[kept] = np.arange(len(kept))
        held = {name: np.sort(now[one]) for name, one in self.galleries.items()}
        galleries = {name: places[places >= 0] for name, places in held.items()}
        return Within(self.inner.narrowed(kept), self.asked, galleries, len(kept))
