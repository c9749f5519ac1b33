"""A query asked again with what it found: the mean image feature of its best images.

Pseudo-relevance feedback (Rocchio 1971); for images average query expansion (Chum et al., "Total
recall", ICCV 2007). The images found for a text look like each other more than like the others,
and features tell that better than the space that texts share with images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.index.exact import Hits, Parts, Rows, Vectors, no_hits, rank, search_parts

CANDIDATES = 1000  # images that are scored again where HNSW finds them


@dataclass(frozen=True)
class Expansion:
    """How queries are expanded. The defaults were chosen on folds of seen and validation classes.

    Attributes:
        k: best images whose features are averaged; of classes with fewer images it takes others'.
        weight: w, of their mean against the query itself.
        rounds: how often the best images are taken, from the second on those of expanded queries.

    Raises:
        InputError: k or rounds below 1, or a weight that is not above 0.
    """

    k: int
    weight: float = 1.0
    rounds: int = 3

    def __post_init__(self) -> None:
        if self.k < 1 or self.rounds < 1 or not self.weight > 0:
            raise InputError(
                f"an expansion by {self.k} images in {self.rounds} rounds of weight "
                f"{self.weight:g} adds nothing; k and rounds must be at least 1, the weight above 0"
            )

    def __str__(self) -> str:
        """Return it as notes of answers and labels of figures say it."""
        return f"expanded by the top {self.k}"

    def parts(
        self,
        vectors: Vectors,
        features: npt.NDArray[np.floating],
        queries: Vectors,
        means: Vectors,
    ) -> Parts:
        """Return what is multiplied for the score (q·p + w m·u) / (1 + w).

        It is the mean of two cosines, of the image's embedding p with the query q and of its
        feature u with the top k's mean feature m, so at most 1. With [p, u] / √2 and
        [q, w m] / √(1 + w²), which are unit vectors, it is their cosine up to a factor that all
        images share: the ranking is that of one cosine search.

        Args:
            vectors: p, (N, D); features: u, (N, F).
            queries: q, (B, D); means: m, (B, F).
        """
        share = np.float32(1 / (1 + self.weight))
        return [(vectors, share * queries), (features, (1 - share) * means)]

    def check(self, count: int) -> None:
        """Refuse a gallery of fewer images than k.

        Raises:
            InputError: says both.
        """
        if self.k > count:
            raise InputError(
                f"queries cannot be expanded by their top {self.k} of {count} images; give a "
                f"smaller number than the gallery's"
            )


def mean_features(features: npt.NDArray[np.floating], rows: Rows) -> Vectors:
    """Return the unit mean (B, F) of the features (N, F) of each query's rows (B, K)."""
    means = np.stack([features[own].astype(np.float64).mean(axis=0) for own in rows])
    unit: Vectors = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return unit


def search_expanded(
    vectors: Vectors,
    features: npt.NDArray[np.floating],
    queries: Vectors,
    k: int,
    expansion: Expansion,
    *,
    find: Callable[[int], Hits],
    candidates: int | None = None,
) -> Hits:
    """Return the min(k, N) best rows of each query by the scores of `Expansion.parts`.

    Args:
        vectors: (N, D) embeddings; features: (N, F) of the same images. Unit rows.
        queries: (B, D) unit rows.
        k: rows a query.
        expansion: how.
        find: the search by embedding, for a number of rows.
        candidates: how many of its rows are scored; None scores all N. An image whose embedding is
            not among these candidates is not found, however alike it is to those that are.

    Raises:
        InputError: there are fewer images than the expansion's k.
    """
    expansion.check(len(vectors))
    pool = None if candidates is None else find(max(candidates, k, expansion.k)).rows
    best = find(expansion.k).rows if pool is None else pool[:, : expansion.k]
    for number in range(1, expansion.rounds + 1):
        means = mean_features(features, best)
        parts = expansion.parts(vectors, features, queries, means)
        size = k if number == expansion.rounds else expansion.k
        hits = search_parts(parts, size) if pool is None else _rank_all(parts, pool, size)
        best = hits.rows
    return hits


def _rank_all(parts: Parts, pool: Rows, k: int) -> Hits:
    """Rank each query's candidates (B, C) anew."""
    hits = no_hits(len(pool), min(k, pool.shape[1]))
    for row, rows in enumerate(pool):
        rank(parts, rows, hits, row)
    return hits
