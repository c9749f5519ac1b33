"""Exact search by matrix product: the choice for small galleries, and what HNSW is measured by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import gt
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
_FEW = 8  # queries that are multiplied with one row after the other: see `multiply`
_CACHED = 1 << 18  # numbers of rows that are multiplied with each of them: 1 MiB of float32
_GROUP = 32  # scores of which the highest is taken, to find a bound of the k-th best
_SCORED = 1 << 16  # float64 numbers that are multiplied at once: 512 KiB, which caches hold


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
    k, found = min(k, count), list[Hits]()
    if not k or not total:
        return no_hits(total, k)
    step = max(1, _BLOCK // count)
    for start in range(0, total, step):
        products = sum(_products(*part) for part in _asked(parts, slice(start, start + step)))
        for row, scores in enumerate(np.asarray(products), start):  # (N,)
            near = _near_the_best(scores, k)[None]
            found.append(rank(_asked(parts, slice(row, row + 1)), near, k))
    return together(found)


def _near_the_best(scores: Vectors, k: int) -> Rows:
    """Return the rows, ascending, whose scores (N,) are at least the k-th best less `_MARGIN`.

    The float32 products only preselect: BLAS rounds them differently for another batch. Of the
    maxima of disjoint groups, the k-th best is at most the k-th best of all; few scores reach it,
    and only these are partitioned.
    """
    groups, least = len(scores) // _GROUP, -np.inf
    if groups >= k:
        maxima = scores[: groups * _GROUP].reshape(_GROUP, groups).max(axis=0)
        least = np.partition(maxima, -k)[-k]
    near = np.flatnonzero(scores >= least - _MARGIN)
    kth = np.partition(scores[near], -k)[-k]
    kept: Rows = near[scores[near] >= kth - _MARGIN]
    return kept


def _products(vectors: Gallery, queries: Vectors) -> npt.NDArray[Any]:
    if isinstance(vectors, np.ndarray):
        return multiply(vectors, queries)
    return vectors.products(queries)


def multiply(rows: npt.NDArray[np.floating], queries: Vectors) -> Vectors:
    """Return the products (B, N) of queries (B, D) with rows (N, D).

    A matrix product copies all rows in another order, and one with a vector reads several at once:
    for few queries over more rows than the caches hold, row after row is two to four times as fast.
    """
    if len(queries) > _FEW or not rows.dtype == queries.dtype == np.float32:
        found: Vectors = queries @ rows.T
        return found
    found = np.empty((len(queries), len(rows)), np.float32)
    step = max(1, _CACHED // max(1, rows.shape[1])) if len(queries) > 1 else max(1, len(rows))
    for start in range(0, len(rows), step):
        block = rows[start : start + step]
        for products, query in zip(found, queries, strict=True):
            np.einsum("nd,d->n", block, query, out=products[start : start + len(block)])
    return found


def _asked(parts: Parts, queries: slice) -> Parts:
    return [(vectors, asked[queries]) for vectors, asked in parts]


def no_hits(queries: int, k: int) -> Hits:
    """Return hits that are to be filled."""
    return Hits(np.empty((queries, k), np.int64), np.empty((queries, k)))


def together(found: Sequence[Hits]) -> Hits:
    """Return the hits of all queries of several searches, of which there is at least one."""
    return Hits(
        np.concatenate([hits.rows for hits in found]),
        np.concatenate([hits.scores for hits in found]),
    )


def rank(parts: Parts, rows: Rows, k: int) -> Hits:
    """Return the best k of each query's own candidates, `rows` (B, C), scored in float64.

    A score depends on the two vectors alone, whatever else is scored at once.
    """
    if len(rows) == 1:  # as most often, and what several queries need takes longer than the rest
        return _ranked(parts, rows[0], k)
    width = sum(vectors.shape[1] for vectors, _ in parts)
    step = max(1, _SCORED // max(1, rows.shape[1] * width))
    blocks = [slice(start, start + step) for start in range(0, len(rows), step)]
    scores = np.concatenate([_scores(_asked(parts, block), rows[block]) for block in blocks])
    order = np.lexsort((rows, -scores))[:, :k]
    return Hits(np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1))


def _ranked(parts: Parts, rows: Rows, k: int) -> Hits:
    """Return the best k of one query's candidates (C,)."""
    scores, *others = (_products_of(*part, rows) for part in parts)
    for more in others:
        scores += more
    told = scores.tolist()
    if len(told) == k and all(map(gt, told, told[1:])):  # as HNSW's mostly are
        return Hits(rows[None], scores[None])
    order = np.lexsort((rows, -scores))[:k]
    return Hits(rows[order][None], scores[order][None])


def _products_of(vectors: Gallery, queries: Vectors, rows: Rows) -> npt.NDArray[np.float64]:
    """Return the products (C,) of some rows with a single query (1, D)."""
    near = vectors[rows].astype(np.float64)
    near *= queries[0]
    products: npt.NDArray[np.float64] = near.sum(axis=1)
    return products


def _scores(parts: Parts, rows: Rows) -> npt.NDArray[np.float64]:
    found = np.zeros(rows.shape)
    for vectors, queries in parts:
        near = vectors[rows.ravel()].astype(np.float64).reshape(*rows.shape, -1)
        near *= queries.astype(np.float64)[:, None]
        found += near.sum(axis=2)
    return found


def answered(vectors: Gallery, queries: Vectors, rows: Rows, k: int) -> Hits:
    """Return the best k of the rows (B, C) that an approximate search has found of N >= k.

    -1 is no row. A query for which fewer than k are found is answered by exact search.
    """
    if rows.shape[1] >= k and (not rows.size or rows.min() >= 0):
        return rank([(vectors, queries)], rows, k)
    found = [no_hits(0, k)]
    for row, own in enumerate(rows):
        query, own = queries[row : row + 1], own[own >= 0]
        few = len(own) < k
        one = search_exact(vectors, query, k) if few else rank([(vectors, query)], own[None], k)
        found.append(one)
    return together(found)
