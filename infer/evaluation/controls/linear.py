"""Closed-form linear controls on frozen features: ridge regression and ESZSL.

Both map images into the space of texts by W = (X'X + gI)^-1 X'Y S M, with X (N, I) the seen
images, Y (N, C) their classes, S (C, T) the classes' mean texts. They are fitted on the seen
classes and chosen on the validation classes, as a method is. Only the row space of S matters
for a ranking by cosine, so embeddings have at most C dimensions, however long the text vectors are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.evaluation.controls.control import Control, class_means, unit
from zscr.infer.evaluation.embedded import Judged, judged
from zscr.infer.features.split import SplitFeatures

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


def ridge(seen: SplitFeatures, val: SplitFeatures) -> Control:
    """Regress image features onto their class's mean text: W = (X'X + lambda I)^-1 X'Y S.

    Lambda is the one of `PENALTIES` with the best mAP on the validation classes; the control says
    whether it is at the edge of that grid, beyond which a better one may lie.
    """
    problem = _Problem.of(seen)
    fitted: dict[Penalties, Control] = {
        (p,): problem.control("ridge", problem.text_map, p) for p in PENALTIES
    }
    return _chosen(fitted, ("lambda",), val)


def eszsl(seen: SplitFeatures, val: SplitFeatures) -> Control:
    """An embarrassingly simple approach to zero-shot learning (Romera-Paredes and Torr 2015).

    Their equation 5 on both sides' scaled features: W = (X'X + gamma I)^-1 X'Y S (S'S + lambda
    I)^-1; gamma and lambda of `PENALTIES`, chosen as ridge's is. Their Y is in {-1, 1}, which for
    centred images gives twice the map that {0, 1} gives. The image's norm, which cancels in
    their classification, is divided away: the score is a cosine. For a large lambda it is ridge
    regression.
    """
    problem = _Problem.of(seen)
    fitted: dict[Penalties, Control] = {
        (gamma, p): problem.control("ESZSL", problem.text_map / (problem.text_values + p), gamma)
        for gamma, p in product(PENALTIES, PENALTIES)
    }
    return _chosen(fitted, ("gamma", "lambda"), val)


def _chosen(
    fitted: Mapping[Penalties, Control], names: Iterable[str], val: SplitFeatures
) -> Control:
    """Return the control with the best validation mAP, and what it was chosen by."""
    quality = {
        key: control.judge(val).average_precision().mean() for key, control in fitted.items()
    }
    best = max(quality, key=quality.__getitem__)
    chosen: dict[str, float | bool] = {"val_mAP": float(quality[best])}
    for name, penalty in zip(names, best, strict=True):
        chosen[name] = penalty
        chosen[f"{name}_at_edge"] = penalty in (PENALTIES[0], PENALTIES[-1])
    return Control(fitted[best].name, fitted[best].judge, chosen)


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
    def of(cls, seen: SplitFeatures) -> _Problem:
        means = class_means(seen.texts, seen.text_starts)
        image, text = Scaling.of(seen.images, "images"), Scaling.of(means, "class mean texts")
        rows, texts = image(seen.images), text(means)
        starts = seen.image_starts
        sums = np.stack([rows[a:b].sum(0) for a, b in zip(starts[:-1], starts[1:], strict=True)])
        image_values, image_vectors = _spectrum(rows)
        text_values, text_vectors = _spectrum(texts)
        cross, text_map = (sums @ image_vectors).T, texts @ text_vectors
        images = image_values, image_vectors, cross
        return cls(image, text, *images, text_values, text_vectors, text_map)

    def control(self, name: str, text_map: Matrix, penalty: float) -> Control:
        """Fit one penalty; `text_map` (C, r) is S M in the texts' spectrum."""
        inner = (self.cross / (self.image_values + penalty)[:, None]) @ text_map
        weights = self.image_vectors @ inner

        def judge(split: SplitFeatures) -> Judged:
            queries = unit(self.text(split.texts) @ self.text_vectors)
            return judged(split, queries, unit(self.image(split.images) @ weights))

        return Control(name, judge)


def _spectrum(rows: Matrix) -> tuple[Matrix, Matrix]:
    """Return the R non-zero eigenvalues of rows' rows and their vectors (D, R).

    They are computed on the smaller side: of (D, D), or of (N, N) where rows are longer than many.
    """
    wide = rows.shape[1] > len(rows)
    values, vectors = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    kept = values > _RANK * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    return values, rows.T @ (vectors / np.sqrt(values)) if wide else vectors
