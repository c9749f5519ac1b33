"""Ridge regression between the two sides of pairs: what a model of captions must beat.

Each text t is a target of its own image x: W = (X'X / N + λI)⁻¹ X'T / N over the N texts, and
images are ranked by the cosine of x W with a text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from zscr.infer.evaluation.controls.control import Control, Features, unit
from zscr.infer.evaluation.controls.preprocessing import Scaling, rooted_scaling
from zscr.infer.evaluation.controls.selected import Embed, Values, selected
from zscr.infer.evaluation.embedded import Vectors
from zscr.infer.features.table import group_sums

PENALTIES = (1e-2, 3e-3, 3e-2, 1e-3, 1e-1)  # beside images of mean length 1


def pair_ridge(
    seen: Features,
    val: Features,
    *,
    penalties: Sequence[float] = PENALTIES,
    figure: str = "Recall@10",
    refit: bool = False,
) -> Control:
    """Fit and choose the regression of texts on their images.

    Args:
        seen: the items it is fitted on, each a group of one image; val: those that choose.
        penalties: values of λ, the default first.
        figure: that chooses.
        refit: fit the final map on both.
    """
    grid = {"lambda": penalties}
    return selected("ridge", seen, val, grid, _fitted, refit=refit, figure=figure)


def _fitted(features: Features) -> Callable[[Values], Embed]:
    images, texts = features["image"], features["text"]
    image, text = rooted_scaling(images.rows), Scaling.of(texts.rows, "texts")
    rows, counts = image(images.rows), np.diff(texts.starts)
    cross = rows.T @ group_sums(text(texts.rows), texts.starts) / len(texts.rows)
    values, vectors = np.linalg.eigh(rows.T @ (rows * counts[:, None]) / len(texts.rows))
    turned = vectors.T @ cross

    def solved(chosen: Values) -> Embed:
        weights = vectors @ (turned / (values + chosen["lambda"])[:, None])

        def embed(split: Features) -> tuple[Vectors, Vectors]:
            return unit(text(split["text"].rows)), unit(image(split["image"].rows) @ weights)

        return embed

    return solved
