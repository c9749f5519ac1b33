"""Searching one generation of an index: exactly or by HNSW, once or with expanded queries."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from zscr.errors import InputError
from zscr.infer.index.approximate import search_hnsw
from zscr.infer.index.choice import most_late
from zscr.infer.index.exact import Gallery, Hits, Rows, Vectors, no_hits, search_exact
from zscr.infer.index.expansion import (
    CANDIDATES,
    Expansion,
    search_candidates,
    search_expanded,
)
from zscr.infer.index.generation import Generation

_SPARE = 2  # neighbours that are asked for to those that a part is expected to have of them
_MOST = 4096  # of them: from there on HNSW takes longer than exact search of the part
Features = TypeVar("Features", bound=Gallery)  # float16, or all as float32


def search(
    now: Generation,
    queries: Vectors,
    k: int,
    *,
    ef: int | None = None,
    exact: bool = False,
    expansion: Expansion | None = None,
    rows: Rows | None = None,
) -> Hits:
    """Return the min(k, N) best rows of each query (B, D), best first.

    Args:
        now: the generation.
        queries: unit rows.
        k: rows a query.
        ef: candidates that HNSW keeps; None takes the measured one.
        exact: search exactly even where there is HNSW.
        expansion: asks again with what is found. With HNSW, `CANDIDATES` rows by embedding are
            scored again, and no others.
        rows: (M,) those that are searched. HNSW, which does not know of them, finds so many
            neighbours that twice k of them are expected to be some; a query of which fewer than k
            are, and all queries where the rows are few, are answered exactly.

    Raises:
        InputError: an expansion without features, of a part, or by more images than there are.
    """
    if rows is not None:
        if expansion is not None:
            raise InputError("a part of an index expands no queries; leave --expand out")
        return _of_part(now, queries, k, rows, ef=ef, exact=exact)
    hnsw = None if exact else now.hnsw
    if expansion is None:
        if hnsw is None:
            return search_exact(now.vectors, queries, k)
        return search_hnsw(now.vectors, hnsw, queries, k, ef or now.choice.ef or k)
    if hnsw is None:
        return search_expanded(now.vectors, _features(now.exact_features), queries, k, expansion)
    count = max(CANDIDATES, k, expansion.k)
    pool = search_hnsw(now.vectors, hnsw, queries, count, ef or count).rows
    features = _features(now.features)
    return search_candidates(now.vectors, features, queries, k, expansion, pool)


def _of_part(
    now: Generation, queries: Vectors, k: int, rows: Rows, *, ef: int | None, exact: bool
) -> Hits:
    """Return the min(k, M) best of the rows (M,), ascending."""
    wanted = min(now.count, -(-_SPARE * k * now.count // max(1, len(rows))))
    few = len(rows) <= most_late(now.choice) or wanted > _MOST
    if exact or few or now.hnsw is None:
        found = search_exact(now.vectors[rows], queries, k)
        return Hits(rows[found.rows], found.scores)
    hits = no_hits(len(queries), min(k, len(rows)))
    ef = max(ef or now.choice.ef or k, wanted)
    near = search_hnsw(now.vectors, now.hnsw, queries, wanted, ef).rows
    for row, own in enumerate(near):
        mine = np.sort(own[np.isin(own, rows)])  # ties are broken by this order
        mine = mine if len(mine) >= hits.size else rows
        found = search_exact(now.vectors[mine], queries[row : row + 1], k)
        hits.rows[row], hits.scores[row] = mine[found.rows[0]], found.scores[0]
    return hits


def _features(features: Features | None) -> Features:
    """Return the features that a generation has.

    Raises:
        InputError: it has none.
    """
    if features is None:
        raise InputError(
            "the index holds no image features to expand queries by; index the images again with a "
            "bundle whose gallery has them, or leave out --expand"
        )
    return features
