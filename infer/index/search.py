"""Searching one generation of an index: exactly or by HNSW, once or with expanded queries."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.index.approximate import search_hnsw
from zscr.infer.index.exact import Hits, Rows, Vectors, no_hits, search_exact
from zscr.infer.index.expansion import (
    CANDIDATES,
    Expansion,
    search_candidates,
    search_expanded,
)
from zscr.infer.index.generation import Generation

Features = TypeVar("Features", bound=npt.NDArray[np.floating])  # float16, or all as float32


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
        rows: (M,) those that are searched, exactly: neighbours that HNSW finds may all be others.

    Raises:
        InputError: an expansion without features, of a part, or by more images than there are.
    """
    if rows is not None:
        if expansion is not None:
            raise InputError("a part of an index expands no queries; leave --expand out")
        if not rows.size:
            return no_hits(len(queries), 0)
        found = search_exact(now.vectors[rows], queries, k)
        return Hits(rows[found.rows], found.scores)
    hnsw = None if exact else now.hnsw
    if expansion is None:
        if hnsw is None:
            return search_exact(now.vectors, queries, k)
        return search_hnsw(now.stack, hnsw, queries, k, ef or now.choice.ef or k)
    if hnsw is None:
        return search_expanded(now.vectors, _features(now.exact_features), queries, k, expansion)
    features, count = _features(now.features), max(CANDIDATES, k, expansion.k)
    pool = search_hnsw(now.stack, hnsw, queries, count, ef or count).rows
    return search_candidates(now.vectors, features, queries, k, expansion, pool)


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
