"""Embeddings evened out over a gallery's neighbour graph, before any query is asked.

What an image's neighbours say of it corrects what the model says of it alone: D. Zhou et al.,
"Learning with local and global consistency", NIPS 2003; for retrieval A. Iscen et al., CVPR 2017.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from zscr.errors import InputError
from zscr.infer.index.exact import Vectors
from zscr.infer.index.neighbours import NeighbourGraph, neighbours

__all__ = ["Diffusion", "NeighbourGraph", "diffuse", "diffuse_over", "neighbours"]


@dataclass(frozen=True)
class Diffusion:
    """How a gallery's embeddings are diffused; see `diffuse`. What an index remembers of it.

    Attributes:
        k: neighbours of an image; alpha: their part against its own; steps: of the iteration.
    """

    k: int = 10
    alpha: float = 0.9
    steps: int = 10

    def __str__(self) -> str:
        """Return it as messages say it."""
        return f"diffused over {self.k} neighbours with alpha {self.alpha:g} in {self.steps} steps"

    def of(self, embeddings: Vectors, features: Vectors, *, threads: int = 1) -> Vectors:
        """Diffuse unit rows (N, E) over the graph of `features` (N, F); see `diffuse`."""
        return diffuse(embeddings, features, threads=threads, **asdict(self))


def diffuse(
    embeddings: Vectors,
    features: Vectors,
    *,
    k: int = 10,
    alpha: float = 0.9,
    steps: int = 10,
    threads: int = 1,
) -> Vectors:
    """Diffuse a gallery's embeddings over the graph of its images' k nearest neighbours.

    Args:
        embeddings: P, unit rows (N, E), which queries are compared with.
        features: unit rows (N, F), by which images are compared with each other.
        k, alpha, steps: see `NeighbourGraph` and `diffuse_over`.
        threads: of the search for neighbours.

    Returns:
        Unit rows (N, E).

    Raises:
        InputError: k or steps below 1, or alpha outside of ]0, 1[.
    """
    graph = NeighbourGraph.of(features, k, threads=threads)
    return diffuse_over(graph, embeddings, alpha=alpha, steps=steps)


def diffuse_over(
    graph: NeighbourGraph, embeddings: Vectors, *, alpha: float = 0.9, steps: int = 10
) -> Vectors:
    """Diffuse unit rows P (N, E) over a graph -> unit rows (N, E).

    Q = P, then `steps` times Q <- alpha L Q + P. So Q = sum of (alpha L)^i P for i = 0 .. steps,
    which goes to (I - alpha L)^-1 P; at last each row is scaled to unit length.

    Raises:
        InputError: steps below 1, or alpha outside of ]0, 1[.
    """
    if steps < 1 or not 0 < alpha < 1:
        raise InputError(
            f"alpha {alpha} and {steps} steps diffuse nothing; give alpha between 0 and 1 and at "
            f"least 1 step"
        )
    spread = embeddings
    for _ in range(steps):  # in place: a gallery of 10^5 has embeddings of 200 MB
        spread = graph.spread(spread)
        spread *= np.float32(alpha)
        spread += embeddings
    spread /= np.linalg.norm(spread, axis=1, keepdims=True)
    return spread
