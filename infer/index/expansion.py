"""A query asked again with what it found: the mean image feature of its best images.

Pseudo-relevance feedback (Rocchio 1971); for images average query expansion (Chum et al., "Total
recall", ICCV 2007). The images found for a text look like each other more than like the others,
and features tell that better than the space that texts share with images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zscr.errors import InputError
from zscr.infer.index.exact import (
    Gallery,
    Hits,
    Parts,
    Rows,
    Vectors,
    no_hits,
    search_exact,
    search_parts,
)

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
        vectors: Gallery,
        features: Gallery,
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


def mean_features(features: Gallery, rows: Rows) -> Vectors:
    """Return the unit mean (B, F) of the features (N, F) of each query's rows (B, K)."""
    means = np.stack([features[own].astype(np.float64).mean(axis=0) for own in rows])
    unit: Vectors = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
    return unit


def search_expanded(
    vectors: Gallery, features: Gallery, queries: Vectors, k: int, expansion: Expansion
) -> Hits:
    """Return the min(k, N) best rows of each query by the scores of `Expansion.parts`.

    Args:
        vectors: (N, D) embeddings; features: (N, F) of the same images. Unit rows.
        queries: (B, D) unit rows.
        k: rows a query.
        expansion: how.

    Raises:
        InputError: there are fewer images than the expansion's k.
    """
    expansion.check(len(vectors))
    best = search_exact(vectors, queries, expansion.k).rows
    for _ in range(expansion.rounds - 1):
        means = mean_features(features, best)
        parts = expansion.parts(vectors, features, queries, means)
        best = search_parts(parts, expansion.k).rows
    means = mean_features(features, best)
    return search_parts(expansion.parts(vectors, features, queries, means), k)


def search_candidates(
    vectors: Gallery,
    features: Gallery,
    queries: Vectors,
    k: int,
    expansion: Expansion,
    pool: Rows,
) -> Hits:
    """Do the same, a query's gallery being its candidates, the rows `pool` (B, C), C >= k.

    An image whose embedding is not among the candidates is not found, however alike it is to those
    that are.
    """
    hits = no_hits(len(queries), min(k, pool.shape[1]))
    for row, own in enumerate(np.sort(pool)):  # in their order, by which ties are broken
        near = features[own].astype(np.float32)
        found = search_expanded(vectors[own], near, queries[row : row + 1], k, expansion)
        hits.rows[row], hits.scores[row] = own[found.rows[0]], found.scores[0]
    return hits
