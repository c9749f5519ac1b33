"""Which images of a gallery are most like which others, and the graph of these neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.index.exact import Hits, Rows, Vectors, no_hits, search_exact

# Measured on one core, F = 1280: all pairs of 10k images take 4 s, of 30k 36 s by the same rate,
# where HNSW takes 137 s and misses none. By these rates both take about 7 minutes for 100k.
EXACT_UP_TO = 100_000
_EF = 64  # candidates that HNSW keeps for a neighbour list of 10


def neighbours(
    features: Vectors, k: int = 10, *, threads: int = 1, exact_up_to: int = EXACT_UP_TO
) -> Hits:
    """Return the min(k, N - 1) images that are most like each image, itself left out.

    Memory grows with N · (F + k), never with N².

    Args:
        features: unit rows (N, F).
        k: neighbours of an image.
        threads: of HNSW; with 1, the same features give the same neighbours.
        exact_up_to: images that are compared with all others; of more, HNSW finds the neighbours.

    Returns:
        `rows` and `scores` (cosines), (N, min(k, N - 1)), best first; ties go to the lower row.

    Raises:
        InputError: k is less than 1.
    """
    if k < 1:
        raise InputError(f"{k} neighbours make no graph; ask for at least 1")
    count = len(features)
    if count < 2:
        return no_hits(count, 0)
    if count <= exact_up_to:
        return _others(search_exact(features, features, k + 1))
    from zscr.infer.index.hnsw import Hnsw  # of which few need anything

    hnsw = Hnsw.build(features, threads=threads)
    return _others(hnsw.search(features, features, k + 1, max(_EF, 2 * k), threads=threads))


def _others(hits: Hits) -> Hits:
    """Drop each row's own; more than k twins of lower rows hide it, and then the last goes."""
    own = hits.rows == np.arange(len(hits.rows))[:, None]
    own[~own.any(axis=1), -1] = True
    kept = (len(hits.rows), -1)
    return Hits(hits.rows[~own].reshape(kept), hits.scores[~own].reshape(kept))


@dataclass(frozen=True, eq=False)
class NeighbourGraph:
    """L = D^-½ W D^-½ of the graph that joins each image with its k nearest, as sparse rows.

    W_ij = max(0, cos(u_i, u_j))³ where i is a neighbour of j or j of i, D = diag(W 1). L has
    eigenvalues in [-1, 1]. The row of an image that is like no other is zero.

    Attributes:
        starts: (N + 1,) where the entries of each row begin.
        columns: (M,) of the entries, ascending within a row.
        weights: (M,) float32, the entries of L.
    """

    starts: Rows
    columns: Rows
    weights: npt.NDArray[np.float32]

    @classmethod
    def of(cls, features: Vectors, k: int = 10, *, threads: int = 1) -> NeighbourGraph:
        """Join each of the images, unit rows (N, F), with its k nearest others.

        Raises:
            InputError: k is less than 1.
        """
        return cls.joining(neighbours(features, k, threads=threads))

    @classmethod
    def joining(cls, near: Hits) -> NeighbourGraph:
        """Join each of N images with its `near` ones, (N, k) rows and cosines."""
        count, k = near.rows.shape
        one, other = np.repeat(np.arange(count), k), near.rows.ravel()
        weights = np.maximum(near.scores.ravel(), 0) ** 3
        # Both directions of each edge, ordered; of an edge found from both ends, the larger stays.
        key = np.concatenate([one * count + other, other * count + one])
        both = np.concatenate([weights, weights])
        order = np.lexsort((-both, key))
        key, first = np.unique(key[order], return_index=True)
        weights = both[order][first]
        key, weights = key[weights > 0], weights[weights > 0]
        row, columns = np.divmod(key, max(count, 1))
        degree = np.bincount(row, weights, count)
        scaled = weights / np.sqrt(degree[row] * degree[columns])
        starts = np.searchsorted(row, np.arange(count + 1))
        return cls(starts, columns, scaled.astype(np.float32))

    def spread(self, rows: Vectors) -> Vectors:
        """Return L · `rows`, (N, E) -> (N, E) float32: each row becomes its neighbours' sum."""
        spread = np.empty(rows.shape, np.float32)
        for row, (start, end) in enumerate(pairwise(self.starts.tolist())):
            # A product a row: four times as fast as sums over one block of gathered rows.
            spread[row] = self.weights[start:end] @ rows[self.columns[start:end]]
        return spread
