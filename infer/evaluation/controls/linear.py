"""Closed-form linear controls on frozen features: ridge regression and ESZSL.

Both map images into the space of texts by W = (X'X + gI)^-1 X'Y S M, with X (N, I) the seen
images, Y (N, C) their classes, S (C, T) the classes' mean texts. They are fitted on the seen
classes and chosen on the validation classes, as a method is. Only the row space of S matters
for a ranking by cosine, so embeddings have at most C dimensions, however long the text vectors are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.evaluation.controls.control import Control, Features, unit
from zscr.infer.evaluation.embedded import Embedded, Vectors, split_task
from zscr.infer.features.table import group_means, group_sums

Matrix = npt.NDArray[np.float64]
Penalties = tuple[float, ...]
PENALTIES = tuple(10.0**power for power in range(-3, 6))
_RANK = 1e-12  # eigenvalues below this share of the largest are rounding


@dataclass(frozen=True)
class Scaling:
    """Rows minus the seen classes' mean, divided by their mean norm."""

    mean: Matrix
    scale: float

    @classmethod
    def of(cls, rows: npt.NDArray[np.floating], what: str) -> Scaling:
        """Take mean and scale of (N, D) rows.

        Raises:
            InputError: all rows are equal, so there is nothing to tell classes apart by.
        """
        mean = rows.mean(0, dtype=np.float64)
        scale = float(np.linalg.norm(rows - mean, axis=1).mean())
        if not scale > _RANK * (1 + np.abs(mean).max()):
            raise InputError(
                f"all {len(rows)} {what} of the seen classes are the same vector; "
                f"give features that differ, of at least 2 classes"
            )
        return cls(mean, scale)

    def __call__(self, rows: npt.NDArray[np.floating]) -> Matrix:
        """Scale (N, D) rows."""
        scaled: Matrix = (rows - self.mean) / self.scale
        return scaled


def ridge(seen: Features, val: Features, *, penalties: Penalties = PENALTIES) -> Control:
    """Regress image features onto their class's mean text: W = (X'X + lambda I)^-1 X'Y S.

    Lambda is the one of `penalties` with the best mAP on the validation classes; the control says
    whether it is at the edge of that grid, beyond which a better one may lie.
    """
    problem = _Problem.of(seen)
    fitted = {(p,): problem.control("ridge", problem.text_map, p) for p in penalties}
    return _chosen(fitted, ("lambda",), val, penalties)


def eszsl(seen: Features, val: Features, *, penalties: Penalties = PENALTIES) -> Control:
    """An embarrassingly simple approach to zero-shot learning (Romera-Paredes and Torr 2015).

    Their equation 5 on both sides' scaled features: W = (X'X + gamma I)^-1 X'Y S (S'S + lambda
    I)^-1; gamma and lambda of `penalties`, chosen as ridge's is. Their Y is in {-1, 1}, which for
    centred images gives twice the map that {0, 1} gives. The image's norm, which cancels in
    their classification, is divided away: the score is a cosine. For a large lambda it is ridge
    regression.
    """
    problem = _Problem.of(seen)
    fitted = {
        (gamma, p): problem.control("ESZSL", problem.text_map / (problem.text_values + p), gamma)
        for gamma, p in product(penalties, penalties)
    }
    return _chosen(fitted, ("gamma", "lambda"), val, penalties)


def _chosen(
    fitted: Mapping[Any, Control], names: Iterable[str], val: Features, penalties: Penalties
) -> Control:
    """Return the control with the best validation mAP, and what it was chosen by."""
    task = split_task(val, "val")
    quality = {
        key: Embedded(task, *control.embed(val)).figure("mAP") for key, control in fitted.items()
    }
    best = max(quality, key=quality.__getitem__)
    chosen: dict[str, float | bool] = {"val_mAP": quality[best]}
    for name, penalty in zip(names, best, strict=True):
        chosen[name] = penalty
        chosen[f"{name}_at_edge"] = penalty in (penalties[0], penalties[-1])
    return replace(fitted[best], chosen=chosen)


@dataclass(frozen=True)
class _Problem:
    """The seen classes' features, decomposed once for all penalties.

    Attributes:
        image, text: how rows are scaled.
        image_values (R,), image_vectors (I, R): the spectrum of X'X; cross (R, C): X'Y in it.
        text_values (r,), text_vectors (T, r): the spectrum of S'S; text_map (C, r): S in it.
    """

    image: Scaling
    text: Scaling
    image_values: Matrix
    image_vectors: Matrix
    cross: Matrix
    text_values: Matrix
    text_vectors: Matrix
    text_map: Matrix

    @classmethod
    def of(cls, seen: Features) -> _Problem:
        images, means = seen["image"], group_means(seen["text"].rows, seen["text"].starts)
        image, text = Scaling.of(images.rows, "images"), Scaling.of(means, "class mean texts")
        rows, texts = image(images.rows), text(means)
        image_values, image_vectors = _spectrum(rows)
        text_values, text_vectors = _spectrum(texts)
        cross = (group_sums(rows, images.starts) @ image_vectors).T
        by_image = image_values, image_vectors, cross
        return cls(image, text, *by_image, text_values, text_vectors, texts @ text_vectors)

    def control(self, name: str, text_map: Matrix, penalty: float) -> Control:
        """Fit one penalty; `text_map` (C, r) is S M in the texts' spectrum."""
        inner = (self.cross / (self.image_values + penalty)[:, None]) @ text_map
        weights = self.image_vectors @ inner

        def embed(split: Features) -> tuple[Vectors, Vectors]:
            queries = unit(self.text(split["text"].rows) @ self.text_vectors)
            return queries, unit(self.image(split["image"].rows) @ weights)

        return Control(name, embed)


def _spectrum(rows: Matrix) -> tuple[Matrix, Matrix]:
    """Return the R non-zero eigenvalues of rows' rows and their vectors (D, R).

    They are computed on the smaller side: of (D, D), or of (N, N) where rows are longer than many.
    """
    wide = rows.shape[1] > len(rows)
    values, vectors = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    kept = values > _RANK * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    return values, rows.T @ (vectors / np.sqrt(values)) if wide else vectors
