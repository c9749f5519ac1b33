"""Closed-form linear controls on frozen features: ridge regression and ESZSL.

Both map images into the space of texts by W = (X'X + gI)^-1 X'Y S M, with X (N, I) the seen
images, Y (N, C) their classes, S (C, T) the classes' mean texts. They are fitted on the seen
classes and chosen on the validation classes, as a method is. Only the row space of S matters
for a ranking by cosine, so embeddings have at most C dimensions, however long the text vectors are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from zscr.infer.evaluation.controls.control import Control, Features, unit
from zscr.infer.evaluation.controls.preprocessing import Matrix, Preprocessing
from zscr.infer.evaluation.controls.selected import Embed, Values, selected
from zscr.infer.evaluation.embedded import Vectors
from zscr.infer.features.table import group_means, group_sums

PENALTIES = tuple(10.0**power for power in range(-3, 6))
_RANK = 1e-12  # eigenvalues below this share of the largest are rounding


def ridge(
    seen: Features,
    val: Features,
    *,
    penalties: Sequence[float] = PENALTIES,
    shrinks: Sequence[float] = (),
    refit: bool = False,
) -> Control:
    """Regress image features onto their class's mean text: W = (X'X + lambda I)^-1 X'Y S.

    Lambda is the one of `penalties` with the best mAP on the validation classes; the control says
    whether it is at the edge of that grid, beyond which a better one may lie.

    Args:
        seen: the classes it is fitted on; val: those that choose.
        penalties: values of lambda.
        shrinks: of the preprocessing that `zscrgan` has; none leaves features as they are.
        refit: fit the final map on both.
    """
    grid = {"lambda": penalties}
    return _selected("ridge", seen, val, grid, _ridge, shrinks, refit)


def eszsl(
    seen: Features,
    val: Features,
    *,
    penalties: Sequence[float] = PENALTIES,
    shrinks: Sequence[float] = (),
    refit: bool = False,
) -> Control:
    """An embarrassingly simple approach to zero-shot learning (Romera-Paredes and Torr 2015).

    Their equation 5 on both sides' scaled features: W = (X'X + gamma I)^-1 X'Y S (S'S + lambda
    I)^-1; gamma and lambda of `penalties`, chosen as ridge's is. Their Y is in {-1, 1}, which for
    centred images gives twice the map that {0, 1} gives. The image's norm, which cancels in
    their classification, is divided away: the score is a cosine. For a large lambda it is ridge
    regression. The arguments are those of `ridge`.
    """
    grid = {"gamma": penalties, "lambda": penalties}
    return _selected("ESZSL", seen, val, grid, _eszsl, shrinks, refit)


Solve = Callable[["_Problem", Values], Embed]


def _selected(
    name: str,
    seen: Features,
    val: Features,
    grid: Mapping[str, Sequence[float]],
    solve: Solve,
    shrinks: Sequence[float],
    refit: bool,
) -> Control:
    """Choose penalties, and a shrinkage where features are preprocessed."""

    def fit(features: Features) -> Callable[[Values], Embed]:
        problem = cache(lambda shrink: _Problem.of(features, Preprocessing.of(features, shrink)))
        return lambda values: solve(problem(values.get("shrink")), values)

    tried = {"shrink": shrinks, **grid} if shrinks else grid
    named = f"{name}, preprocessed" if shrinks else name
    return selected(named, seen, val, tried, fit, refit=refit)


def _ridge(problem: _Problem, values: Values) -> Embed:
    return problem.embedding(problem.text_map, values["lambda"])


def _eszsl(problem: _Problem, values: Values) -> Embed:
    by_text = problem.text_map / (problem.text_values + values["lambda"])
    return problem.embedding(by_text, values["gamma"])


@dataclass(frozen=True)
class _Problem:
    """The seen classes' features, decomposed once for all penalties.

    Attributes:
        preprocessing: how rows are scaled.
        image_values (R,), image_vectors (I, R): the spectrum of X'X; cross (R, C): X'Y in it.
        text_values (r,), text_vectors (T, r): the spectrum of S'S; text_map (C, r): S in it.
    """

    preprocessing: Preprocessing
    image_values: Matrix
    image_vectors: Matrix
    cross: Matrix
    text_values: Matrix
    text_vectors: Matrix
    text_map: Matrix

    @classmethod
    def of(cls, seen: Features, preprocessing: Preprocessing) -> _Problem:
        images, texts = seen["image"], seen["text"]
        rows = preprocessing.image(images.rows)
        means = group_means(preprocessing.text(texts.rows), texts.starts)
        image_values, image_vectors = _spectrum(rows)
        text_values, text_vectors = _spectrum(means)
        cross = (group_sums(rows, images.starts) @ image_vectors).T
        by_image = image_values, image_vectors, cross
        return cls(preprocessing, *by_image, text_values, text_vectors, means @ text_vectors)

    def embedding(self, text_map: Matrix, penalty: float) -> Embed:
        """Fit one penalty; `text_map` (C, r) is S M in the texts' spectrum."""
        inner = (self.cross / (self.image_values + penalty)[:, None]) @ text_map
        weights = self.image_vectors @ inner

        def embed(split: Features) -> tuple[Vectors, Vectors]:
            queries = self.preprocessing.text(split["text"].rows) @ self.text_vectors
            gallery = self.preprocessing.image(split["image"].rows) @ weights
            return unit(queries), unit(gallery)

        return embed


def _spectrum(rows: Matrix) -> tuple[Matrix, Matrix]:
    """Return the R non-zero eigenvalues of rows' rows and their vectors (D, R).

    They are computed on the smaller side: of (D, D), or of (N, N) where rows are longer than many.
    """
    wide = rows.shape[1] > len(rows)
    values, vectors = np.linalg.eigh(rows @ rows.T if wide else rows.T @ rows)
    kept = values > _RANK * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    return values, rows.T @ (vectors / np.sqrt(values)) if wide else vectors
