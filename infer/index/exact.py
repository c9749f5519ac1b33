"""Exact search by matrix product: the choice for small galleries, and what HNSW is measured by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]


class Matrix(Protocol):
    """Rows (N, D) that are multiplied and looked up, wherever they lie."""

    def __len__(self) -> int:
        """Return N."""

    def __getitem__(self, rows: Any) -> npt.NDArray[Any]:
        """Return some of the rows, by their numbers or as a slice."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, D)."""

    def products(self, queries: Vectors) -> Vectors:
        """Return the products (B, N) with queries (B, D)."""


Gallery = npt.NDArray[np.floating] | Matrix
# (N, D) of a gallery and (B, D) of queries, several of both: their products are added.
Parts = Sequence[tuple[Gallery, Vectors]]

_BLOCK = 1 << 24  # scores held at once: 64 MiB of float32, whatever the number of queries
_MARGIN = 1e-5  # well above the rounding error of a float32 dot product of two unit vectors


@dataclass(frozen=True, eq=False)
class Hits:
    """The best gallery rows of B queries, best first: `rows` and `scores` are (B, min(k, N))."""

    rows: Rows
    scores: npt.NDArray[np.float64]

    @property
    def size(self) -> int:
        """How many rows a query has."""
        return int(self.rows.shape[1])


def search_exact(vectors: Gallery, queries: Vectors, k: int) -> Hits:
    """Return the min(k, N) rows of `vectors` (N, D) with the highest cosine to `queries` (B, D).

    Ties go to the lower row. An answer does not depend on the batch that its query came in.
    """
    return search_parts([(vectors, queries)], k)


def search_parts(parts: Parts, k: int) -> Hits:
    """Return the min(k, N) rows whose products with a query, summed over the parts, are highest.

    Args:
        parts: vectors of the same N gallery rows and B queries; scores are at most about 1.
        k: rows a query.
    """
    count, total = len(parts[0][0]), len(parts[0][1])
    hits = no_hits(total, min(k, count))
    if not hits.size:
        return hits
    step = max(1, _BLOCK // count)
    for start in range(0, total, step):
        products = sum(_products(vectors, asked[start : start + step]) for vectors, asked in parts)
        for row, scores in enumerate(np.asarray(products), start):  # (N,)
            # The float32 products only preselect: BLAS rounds them differently for another batch.
            kth = np.partition(scores, -hits.size)[-hits.size]
            near = np.flatnonzero(scores >= kth - _MARGIN)
            rank(parts, near, hits, row)
    return hits


def _products(vectors: Gallery, queries: Vectors) -> npt.NDArray[Any]:
    return queries @ vectors.T if isinstance(vectors, np.ndarray) else vectors.products(queries)


def no_hits(queries: int, k: int) -> Hits:
    """Return hits to be filled by `rank`."""
    return Hits(np.empty((queries, k), np.int64), np.empty((queries, k)))


def rank(parts: Parts, rows: Rows, hits: Hits, row: int) -> None:
    """Fill `hits` at `row` with the best of the candidate `rows`, scored in float64."""
    scores = np.zeros(len(rows))
    for vectors, queries in parts:
        scores += (vectors[rows].astype(np.float64) * queries[row]).sum(axis=1)
    best = np.lexsort((rows, -scores))[: hits.size]
    hits.rows[row], hits.scores[row] = rows[best], scores[best]
