"""Exact search by matrix product: the choice for small galleries, and what HNSW is measured by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_BLOCK = 1 << 24  # scores held at once: 64 MiB of float32, whatever the number of queries
_MARGIN = 1e-5  # well above the rounding error of a float32 dot product of two unit vectors


@dataclass(frozen=True, eq=False)
class Hits:
    """The best gallery rows of B queries, best first: `rows` and `scores` are (B, min(k, N))."""

    rows: Rows
    scores: npt.NDArray[np.float64]


def search_exact(vectors: Vectors, queries: Vectors, k: int) -> Hits:
    """Return the min(k, N) rows of `vectors` (N, D) with the highest cosine to `queries` (B, D).

    Ties go to the lower row. An answer does not depend on the batch that its query came in.
    """
    k = min(k, len(vectors))
    hits = Hits(np.empty((len(queries), k), np.int64), np.empty((len(queries), k)))
    step = max(1, _BLOCK // len(vectors))
    for start in range(0, len(queries), step):
        products = queries[start : start + step] @ vectors.T  # (step, N)
        for row, scores in enumerate(products, start):
            # The float32 products only preselect: BLAS rounds them differently for another batch.
            kth = np.partition(scores, -k)[-k]
            near = np.flatnonzero(scores >= kth - _MARGIN)
            rank(vectors, queries[row], near, hits, row)
    return hits


def rank(vectors: Vectors, query: Vectors, rows: Rows, hits: Hits, row: int) -> None:
    """Fill `hits` at `row` with the best of the candidate `rows`, scored in float64."""
    scores = (vectors[rows].astype(np.float64) * query).sum(axis=1)
    best = np.lexsort((rows, -scores))[: hits.rows.shape[1]]
    hits.rows[row], hits.scores[row] = rows[best], scores[best]
