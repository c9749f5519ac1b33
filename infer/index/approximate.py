"""Search by HNSW, and of the rows that have come since it was built, exactly."""

from __future__ import annotations

import numpy as np

from zscr.infer.index.column import Column
from zscr.infer.index.exact import Hits, Rows, Vectors, no_hits, rank, search_exact
from zscr.infer.index.hnsw import Hnsw
from zscr.infer.index.stack import Stack


def search_hnsw(
    stack: Stack, hnsw: Hnsw, queries: Vectors, k: int, ef: int, *, threads: int = 1
) -> Hits:
    """Return the min(k, N) rows that are found nearest to each query (B, D), best first.

    They are scored as exact search does, which answers a query for which too few are found.
    """
    vectors = Column(stack, "vectors")
    hits = no_hits(len(queries), min(k, len(vectors)))
    late = _late(stack, queries, hits.size)
    wanted = min(hits.size, hnsw.count)
    found = hnsw.candidates(queries, wanted, ef, threads=threads) if wanted else [None] * len(late)
    for row, labels in enumerate(found):
        rows = late[row] if labels is None else _joined(stack, labels, late[row])
        if labels is None or len(rows) < hits.size:
            exact = search_exact(vectors, queries[row : row + 1], hits.size)
            hits.rows[row], hits.scores[row] = exact.rows[0], exact.scores[0]
        else:
            rank([(vectors, queries)], rows, hits, row)
    return hits


def _joined(stack: Stack, labels: Rows, late: Rows) -> Rows:
    """Return the rows of labels, as far as they are there, and the late ones, each once."""
    rows = stack.rows_of_labels(labels)
    rows = rows[rows >= 0]
    return np.union1d(rows, late) if late.size else rows


def _late(stack: Stack, queries: Vectors, k: int) -> Rows:
    """Return the best rows (B, min(k, T)) of the T that HNSW has not."""
    tail = stack.tail
    if not tail.count:
        return np.empty((len(queries), 0), np.int64)
    found = search_exact(Column(tail, "vectors"), queries, k).rows
    return found + (stack.count - tail.count)
