"""Search by HNSW, and of the rows that have come since it was built, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zscr.infer.index.column import Column
from zscr.infer.index.exact import Hits, Rows, Vectors, answered, search_exact

if TYPE_CHECKING:
    from zscr.infer.index.hnsw import Hnsw


def search_hnsw(
    vectors: Column, hnsw: Hnsw, queries: Vectors, k: int, ef: int, *, threads: int = 1
) -> Hits:
    """Return the min(k, N) rows that are found nearest to each query (B, D), best first.

    They are scored as exact search does, which answers a query for which too few are found.
    """
    k = min(k, len(vectors))
    rows = vectors.stack.rows_of_labels(hnsw.candidates(queries, k, ef, threads=threads))
    if vectors.tail is not None:
        rows = _with_late(rows, len(vectors) - len(vectors.tail), vectors.tail, queries, k)
    return answered(vectors, queries, rows, k)


def _with_late(rows: Rows, first: int, tail: Column, queries: Vectors, k: int) -> Rows:
    """Return rows (B, C) of those before `first`, and the best of the tail that begins there."""
    late = search_exact(tail, queries, k).rows + first
    return np.hstack([np.where(rows < first, rows, -1), late])
