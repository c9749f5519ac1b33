"""One state of an index as a gallery of fused search."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zscr.infer.composition.affine import Scores, Vectors
from zscr.infer.composition.candidates import Rows
from zscr.infer.index.generation import Generation
from zscr.infer.index.index import Match, rows_in
from zscr.infer.index.search import search

_BLOCK = 4096  # rows that are held in float64 at once


class IndexGallery:
    """The images of a generation, or those of a folder."""

    def __init__(self, now: Generation, within: Path | None = None) -> None:
        self._now = now
        self._part = None if within is None else rows_in(now, within)
        self.rows: Rows = np.arange(len(now.entries)) if self._part is None else self._part

    @property
    def lists_are_approximate(self) -> bool:
        """Whether HNSW finds them, which may miss some."""
        return self._now.hnsw is not None and self._part is None

    def nearest(self, direction: Vectors, n: int) -> tuple[Rows, Scores]:
        """Return the n rows with the highest products with a unit vector (D,), best first."""
        hits = search(self._now, direction[None], n, rows=self._part)
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
