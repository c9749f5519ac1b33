"""Searching one generation of an index: exactly or by HNSW, once or with expanded queries."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.index.exact import Hits, Vectors, search_exact
from zscr.infer.index.expansion import CANDIDATES, Expansion, search_expanded
from zscr.infer.index.generation import Generation


def search(
    now: Generation,
    queries: Vectors,
    k: int,
    *,
    ef: int | None = None,
    exact: bool = False,
    expansion: Expansion | None = None,
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

    Raises:
        InputError: an expansion without features, or by more images than there are.
    """
    hnsw = None if exact else now.hnsw

    def find(k: int) -> Hits:
        if hnsw is None:
            return search_exact(now.vectors, queries, k)
        return hnsw.search(now.vectors, queries, k, ef or now.choice.ef or k)

    if expansion is None:
        return find(k)
    return search_expanded(
        now.vectors,
        _features(now, every=hnsw is None),
        queries,
        k,
        expansion,
        find=find,
        candidates=CANDIDATES if hnsw else None,
    )


def _features(now: Generation, *, every: bool) -> npt.NDArray[np.floating]:
    """Return the features, as float32 where every one of them is to be multiplied."""
    features = now.exact_features if every else now.features
    if features is None:
        raise InputError(
            "the index holds no image features to expand queries by; index the images again with a "
            "bundle whose gallery has them, or leave out --expand"
        )
    return features
