"""What a trained model must beat on the same features, judged as it is; and what bounds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.evaluation.embedded import Judged, judged
from zscr.infer.features.split import SplitFeatures, Starts

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Control:
    """A fitted control.

    Attributes:
        name: what tables call it.
        judge: embeds any split.
        chosen: its hyper-parameters, chosen on the validation classes, and how it did there.
    """

    name: str
    judge: Callable[[SplitFeatures], Judged]
    chosen: Mapping[str, Any] = field(default_factory=dict)


def random_ranking(seed: int = 7) -> Control:
    """Rank by random vectors: what chance is for figures, such as mAP, that have no simple one."""
    rng = np.random.default_rng(seed)

    def judge(split: SplitFeatures) -> Judged:
        sides = (unit(rng.standard_normal((len(s), 32))) for s in (split.texts, split.images))
        return judged(split, *sides)

    return Control("random ranking", judge)


def class_mean_oracle(seen: SplitFeatures) -> Control:
    """Ask with the mean image of the query's class: it sees the very images that it seeks.

    Of all single vectors a class this one has the highest mean cosine with its images, so it
    bounds, in practice, what one vector a class can reach on these features as they are; a learnt
    metric may pass it. Images are centred with the mean of the seen classes and L2-normalised.
    """
    centre = seen.images.mean(0, dtype=np.float64)

    def judge(split: SplitFeatures) -> Judged:
        gallery = unit(split.images - centre)
        means = class_means(gallery, split.image_starts)
        queries = np.repeat(means, np.diff(split.text_starts), axis=0)
        return judged(split, unit(queries), gallery)

    return Control("class-mean oracle", judge)


def class_means(rows: npt.NDArray[np.float32], starts: Starts) -> Matrix:
    """Return (C, D) means of the rows [starts[c], starts[c + 1]) of each class.

    Raises:
        InputError: a class has no rows.
    """
    empty = np.flatnonzero(np.diff(starts) == 0)
    if len(empty):
        raise InputError(
            f"{len(empty)} of {len(starts) - 1} classes have no features to average, the first is "
            f"number {empty[0]}; leave these classes out of the collection"
        )
    spans = zip(starts[:-1], starts[1:], strict=True)
    return np.stack([rows[a:b].mean(0, dtype=np.float64) for a, b in spans])


def unit(rows: Matrix) -> npt.NDArray[np.float32]:
    """L2-normalise (N, D) rows; a row of zeros stays one, which no ranking accepts."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    normed: npt.NDArray[np.float32] = (rows / np.maximum(norms, 1e-12)).astype(np.float32)
    return normed
