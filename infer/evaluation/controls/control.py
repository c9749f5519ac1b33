"""What a trained model must beat on the same features, judged as it is; and what bounds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.infer.evaluation.embedded import Embedded, Vectors, split_task
from zscr.infer.features.table import Split, group_means

Features = Split[npt.NDArray[Any]]  # with `image`, the gallery, and a table that asks: `text`, say

CHANCE = "random ranking"
BOUND = "class-mean oracle"  # of one vector a class, and no competitor
_RANDOM_DIM = 32


@dataclass(frozen=True)
class Control:
    """A fitted control.

    Attributes:
        name: what tables call it.
        embed: maps a split's queries and images to (M, D) queries and an (N, D) gallery.
        chosen: its hyper-parameters, chosen on the validation classes, and how it did there.
        asks: the table whose rows are the queries.
    """

    name: str
    embed: Callable[[Features], tuple[Vectors, Vectors]]
    chosen: Mapping[str, Any] = field(default_factory=dict)
    asks: str = "text"

    def judge(self, split: Features, name: str) -> Embedded:
        """Embed the task in which the queries of a split, called `name`, ask for its images."""
        return Embedded(split_task(split, name, queries=self.asks), *self.embed(split))


def random_ranking(seed: int = 7, *, asks: str = "text") -> Control:
    """Rank by random vectors: what chance is for figures, such as mAP, that have no simple one."""
    rng = np.random.default_rng(seed)

    def embed(split: Features) -> tuple[Vectors, Vectors]:
        return random_unit(rng, len(split[asks].rows)), random_unit(rng, len(split["image"].rows))

    return Control(CHANCE, embed, asks=asks)


def class_mean_oracle(seen: Features, *, asks: str = "text") -> Control:
    """Ask with the mean image of the query's class: it sees the very images that it seeks.

    Of all single vectors a class this one has the highest mean cosine with its images, so it
    bounds, in practice, what one vector a class can reach on these features as they are; a learnt
    metric may pass it. Images are centred with the mean of the seen classes and L2-normalised.
    """
    centre = seen["image"].rows.mean(0, dtype=np.float64)

    def embed(split: Features) -> tuple[Vectors, Vectors]:
        images, queries = split["image"], split[asks]
        gallery = unit(images.rows - centre)
        means = group_means(gallery, images.starts)
        return unit(np.repeat(means, np.diff(queries.starts), axis=0)), gallery

    return Control(BOUND, embed, asks=asks)


def random_unit(rng: np.random.Generator, rows: int) -> Vectors:
    """Draw (rows, 32) unit vectors in random directions."""
    return unit(rng.standard_normal((rows, _RANDOM_DIM)))


def unit(rows: npt.NDArray[np.floating[Any]]) -> Vectors:
    """L2-normalise (N, D) rows; a row of zeros stays one, which no ranking accepts."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    normed: Vectors = (rows / np.maximum(norms, 1e-12)).astype(np.float32)
    return normed
