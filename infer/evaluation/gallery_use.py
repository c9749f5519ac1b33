"""What a gallery tells of itself, in evaluations: queries expanded by it, embeddings diffused.

Both take an embedded task and return one, so every ranking and figure is computed as without. They
apply to any model or control whose gallery has image features; figures say `uses the gallery`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from zscr.data.relevance import Relevance
from zscr.errors import InputError
from zscr.infer.evaluation.embedded import Embedded, Vectors
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.evaluation.ranking import Cosines, Embeddings, first_places, ranked_parts
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.exact import Rows
from zscr.infer.index.expansion import Expansion, mean_features


@dataclass(frozen=True)
class GalleryUse:
    """What is done with a gallery before it is ranked; nothing by default."""

    diffusion: Diffusion | None = None
    expansion: Expansion | None = None

    def __bool__(self) -> bool:
        """Say whether anything is."""
        return bool(self.diffusion or self.expansion)

    def __str__(self) -> str:
        """Return what figures are labelled with."""
        diffused = "embeddings diffused over it" if self.diffusion else ""
        expanded = f"queries {self.expansion}" if self.expansion else ""
        return f"uses the gallery: {', '.join(filter(None, (diffused, expanded)))}"

    def __call__(self, ranked: Ranked) -> Ranked:
        """Apply it to a task; diffusion comes first, as in an index.

        Raises:
            InputError: the queries are not one vector each, the gallery has no image features, or
                it is smaller than the expansion's k.
        """
        if not self:
            return ranked
        if not isinstance(ranked, Embedded):
            raise InputError(
                f"the queries of task '{ranked.task.name}' are ranked by fused scores, which "
                f"--expand and --diffuse do not take; leave them out or choose another --compose"
            )
        if self.diffusion:
            ranked = diffused(ranked, self.diffusion)
        return expanded(ranked, self.expansion) if self.expansion else ranked


def gallery_use(expand: int | None, *, diffuse: bool) -> GalleryUse:
    """Return what `--expand K` and `--diffuse` ask for.

    Raises:
        InputError: K is less than 1.
    """
    expansion = None if expand is None else Expansion(expand)
    return GalleryUse(Diffusion() if diffuse else None, expansion)


def diffused(embedded: Embedded, diffusion: Diffusion) -> Embedded:
    """Return the task with its gallery's embeddings diffused over its images' neighbour graph."""
    gallery = diffusion.of(embedded.gallery, _features(embedded))
    return replace(embedded, gallery=gallery)


def expanded(embedded: Embedded, expansion: Expansion) -> Embedded:
    """Return the task with its queries expanded: [q, w m] / √(1 + w²) over [p, u] / √2.

    These are unit vectors whose cosine orders a query's images as `Expansion.parts` does. A query
    that searches a part of the gallery is expanded by that part.
    """
    parts = [places for _, places in embedded.task.relevance.parts()]
    expansion.check(min(len(embedded.gallery if one is None else one) for one in parts))
    features, weight = _features(embedded), expansion.weight
    gallery = _joined(embedded.gallery, features, 2)
    relevance = embedded.task.relevance
    best = _best(embedded.queries, embedded.gallery, relevance, expansion.k)
    for number in range(1, expansion.rounds + 1):
        means = mean_features(features, best)
        queries = _joined(embedded.queries, weight * means, 1 + weight**2)
        if number < expansion.rounds:
            best = _best(queries, gallery, relevance, expansion.k)
    return replace(embedded, queries=queries, gallery=gallery, features=None)


def _joined(first: Vectors, second: Vectors, square: float) -> Vectors:
    """Put rows side by side -> unit rows, where the sum of their squares is known."""
    joined: Vectors = (np.hstack([first, second]) / np.sqrt(square)).astype(np.float32)
    return joined


def _best(queries: Embeddings, gallery: Embeddings, relevance: Relevance, k: int) -> Rows:
    """Return each query's k best gallery rows (Q, k)."""
    blocks = ranked_parts(Cosines(queries, gallery), relevance)
    return np.concatenate([first_places(order, k) for _, order in blocks])


def _features(embedded: Embedded) -> Vectors:
    if embedded.features is None:
        raise InputError(
            f"the gallery of task '{embedded.task.name}' has no image features to compare its "
            f"images by; leave out --expand and --diffuse"
        )
    return embedded.features
