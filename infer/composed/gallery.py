"""Images that are searched: one state of an index, or rows in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from zscr.infer.composition.affine import Scores, Vectors
from zscr.infer.composition.candidates import Rows
from zscr.infer.index.generation import Generation
from zscr.infer.index.index import Match
from zscr.infer.index.only import ALL, Only
from zscr.infer.index.search import search

_BLOCK = 4096  # rows that are held in float64 at once
# Images up to which lists are found by exact search also where there is HNSW. Lists are long: over
# 20,000 images fused search takes 2 to 11 ms by exact lists, 5 to 23 ms by HNSW's, and 2 in 100 of
# its answers then miss an image (benchmarks/composed_search.py).
EXACT_UP_TO = 50_000
_WIDER = 2  # candidates that HNSW keeps for each image of a list


class Images(Protocol):
    """Images in which a query looks for its neighbours before it is asked again."""

    def nearest(self, direction: Vectors, n: int) -> tuple[Rows, Scores]:
        """Return the n rows with the highest products with a unit vector (D,), best first."""

    def vectors_of(self, rows: Rows) -> Vectors:
        """Return the vectors (R, D) of rows."""


class RowsGallery:
    """Unit rows (G, D) that are no index's, such as those that a task is judged on."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def nearest(self, direction: Vectors, n: int) -> tuple[Rows, Scores]:
        """See `Images`."""
        scores = (self._vectors @ direction).astype(np.float64)
        rows = np.argsort(-scores, kind="stable")[:n]
        return rows, scores[rows]

    def vectors_of(self, rows: Rows) -> Vectors:
        """See `Images`."""
        return self._vectors[rows]


class IndexGallery:
    """The images of a generation, or some of them."""

    def __init__(self, now: Generation, only: Only = ALL, exact_up_to: int = EXACT_UP_TO) -> None:
        self._now = now
        self._part = only.rows(now)
        self._exact = len(now.entries) <= exact_up_to
        self.rows: Rows = np.arange(len(now.entries)) if self._part is None else self._part

    @property
    def lists_are_approximate(self) -> bool:
        """Whether HNSW finds them, which may miss some."""
        return not (self._now.hnsw is None or self._exact or self._part is not None)

    def nearest(self, direction: Vectors, n: int) -> tuple[Rows, Scores]:
        """Return the n rows with the highest products with a unit vector (D,), best first."""
        # Of a short list that may be fewer than a search for as many images was measured to need.
        ef = max(_WIDER * n, self._now.choice.ef or 0) if self.lists_are_approximate else None
        hits = search(self._now, direction[None], n, ef=ef, exact=self._exact, rows=self._part)
        return hits.rows[0], hits.scores[0]

    def products(self, directions: Vectors, rows: Rows) -> Scores:
        """Return the products (C, R) of unit vectors (C, D) with rows, summed as a search does.

        Equal images so have equal scores wherever their rows stand; a matrix product may round
        its last rows in another way.
        """
        found = np.empty((len(directions), len(rows)))
        for start in range(0, len(rows), _BLOCK):
            wide = self._now.vectors[rows[start : start + _BLOCK]].astype(np.float64)
            for channel, direction in enumerate(directions):
                found[channel, start : start + len(wide)] = (wide * direction).sum(axis=1)
        return found

    def vectors_of(self, rows: Rows) -> Vectors:
        """Return the stored vectors (R, D) of rows."""
        return self._now.vectors[rows]

    def matches(self, rows: Sequence[int], scores: Sequence[float]) -> list[Match]:
        """Return rows with their scores as what was found."""
        pairs = zip(rows, scores, strict=True)
        return [Match(self._now.entries[row], score) for row, score in pairs]
