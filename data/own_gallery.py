"""Relevance to queries that rank a part of the gallery each: some items are left out for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

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

    def widened(self, other: Relevance) -> Without:
        """See `Relevance`."""
        assert isinstance(other, Without), type(other)
        both = [*self.gallery, *other.gallery]
        return Without(self.inner.widened(other.inner), self.excluded, both)

    def narrowed(self, kept: Sequence[int]) -> Without:
        """See `Relevance`."""
        gallery = [self.gallery[place] for place in kept]
        return Without(self.inner.narrowed(kept), self.excluded, gallery)
