"""Ridge regression of both domains onto vectors of their classes: what a sketch model must beat.

W = (X'X + λI)⁻¹ X'T, with X (N, D) the scaled rows of sketches and photos together and T (N, E)
what their classes are: a code of their own (one-hot: no text at all), or a text's vector. A sketch
and a photo are compared by the cosine of their x W, whether their classes were fitted or not: onto
codes it is how far each resembles every class that was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from zscr.infer.evaluation.controls.control import Features
from zscr.infer.evaluation.controls.domains import STOCK, Asked, Scale, by_domain
from zscr.infer.evaluation.controls.kernel import gaussian
from zscr.infer.evaluation.controls.preprocessing import Matrix
from zscr.infer.evaluation.controls.selected import Embed, Values
from zscr.infer.features.table import group_means, group_sums, owners

PENALTIES = tuple(10.0 ** (half / 2) for half in (2, 0, 1, 3, 4, 5))  # beside rows of mean length 1
KERNEL_GRID = {
    "width": (1.0, 0.5),
    "penalty": (1.5e-3, 1.5e-4, 5e-4, 5e-3),
}  # the penalty is a row's
LANDMARKS = 2000  # rows
_JITTER = 1e-8  # a row: landmarks may coincide

Targets = Callable[[Features], Matrix]  # features -> (C, E), a vector a class
Fit = Callable[[Features], Callable[[Values], Embed]]


def class_codes(features: Features) -> Matrix:
    """Return a one-hot code a class (C, C)."""
    return np.eye(len(features.groups))


def class_texts(table: str) -> Targets:
    """Return what takes the mean of each class's texts (C, T) from a table of them."""
    return lambda features: group_means(features[table].rows, features[table].starts)


def half_whitened(targets: Targets) -> Targets:
    """Return targets whose axes, of singular value s about their mean, are divided by sqrt(s).

    Of T - mean = U S V' they are U S^½: what all texts have in common weighs less, and what is
    rounding is no axis.
    """

    def whitened(features: Features) -> Matrix:
        means = targets(features)
        left, values, _ = np.linalg.svd(means - means.mean(0), full_matrices=False)
        kept = values > 1e-4 * values[0]
        halved: Matrix = left[:, kept] * np.sqrt(values[kept])
        return halved

    return whitened


@dataclass(frozen=True)
class Fitting:
    """What a regression is fitted to, and what it compares then.

    Attributes:
        tables: of sketches and photos, their views among them; all rows weigh the same.
        targets: what it is fitted onto; asked: which tables are compared.
        scale: fits the scaling of rows.
    """

    tables: Sequence[str]
    targets: Targets = class_codes
    asked: Asked = STOCK
    scale: Scale = by_domain()

    def goals(self, features: Features) -> Matrix:
        """Return the classes' targets less their mean (C, E)."""
        goals = self.targets(features)
        centred: Matrix = goals - goals.mean(0)
        return centred

    def ridge(self, features: Features) -> Callable[[Values], Embed]:
        """Fit the regression -> what makes an embedding of a `lambda`; see `selected`."""
        scaled, gram, cross = self.scale(features), np.zeros(()), np.zeros(())
        for table in self.tables:  # X'X and the sums a class, one table at a time
            rows = scaled(features, table)
            gram = gram + rows.T @ rows
            cross = cross + group_sums(rows, features[table].starts)
        aim = cross.T @ self.goals(features)

        def solved(values: Values) -> Embed:
            weights = np.linalg.solve(gram + values["lambda"] * np.eye(len(gram)), aim)
            return lambda split: self.asked.embed(lambda table: scaled(split, table) @ weights)

        return solved

    def kernel_ridge(self, features: Features) -> Callable[[Values], Embed]:
        """Fit kernel ridge regression -> what makes an embedding of `width` and `penalty`.

        The Gaussian kernel, in its Nyström form on `LANDMARKS` of the rows (see
        `zscr.infer.evaluation.controls.kernel`); with fewer rows it is exact.
        """
        scaled = self.scale(features)
        rows = np.concatenate([scaled(features, table) for table in self.tables])
        owner = np.concatenate([owners(features[table]) for table in self.tables])
        goals, landmarks = self.goals(features)[owner], _spread(rows)

        @cache
        def problem(width: float) -> tuple[Matrix, Matrix, Matrix]:
            kernels, own = gaussian(rows, landmarks, width), gaussian(landmarks, landmarks, width)
            ridge = len(rows) * (own + _JITTER * np.eye(len(own)))
            return kernels.T @ kernels, ridge, kernels.T @ goals

        def solved(values: Values) -> Embed:
            width, penalty = values["width"], values["penalty"]
            gram, ridge, aim = problem(width)
            weights = np.linalg.solve(gram + penalty * ridge, aim)

            def one(split: Features, table: str) -> Matrix:
                found: Matrix = gaussian(scaled(split, table), landmarks, width) @ weights
                return found

            return lambda split: self.asked.embed(lambda table: one(split, table))

        return solved


def _spread(rows: npt.NDArray[np.float64]) -> Matrix:
    """Return the landmarks: evenly spread over rows that lie class after class."""
    count = min(LANDMARKS, len(rows))
    return rows[np.linspace(0, len(rows) - 1, count).astype(np.int64)]
