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

from zscr.infer.evaluation.controls.control import Features
from zscr.infer.evaluation.controls.domains import STOCK, Asked, Scale, Scaled, by_domain
from zscr.infer.evaluation.controls.kernel import gaussian
from zscr.infer.evaluation.controls.preprocessing import Matrix
from zscr.infer.evaluation.controls.selected import Embed, Values
from zscr.infer.features.table import group_means, group_sums, owners

PENALTIES = tuple(10.0 ** (half / 2) for half in (2, 0, 1, 3, 4, 5))  # beside rows of mean length 1
KERNEL_GRID = {
    "width": (1.0, 0.25, 0.5),
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
        asked: which tables are compared.
        scale: fits the scaling of rows.
    """

    tables: Sequence[str]
    asked: Asked = STOCK
    scale: Scale = by_domain()

    def ridge(self, features: Features) -> Problem:
        """Return the problem of these classes, one table at a time: views are many rows."""
        scaled, gram, cross = self.scale(features), np.zeros(()), np.zeros(())
        for table in self.tables:
            rows = scaled(features, table)
            gram = gram + rows.T @ rows
            cross = cross + group_sums(rows, features[table].starts)
        return Problem(scaled, self.asked, gram, cross)

    def kernel_ridge(self, features: Features) -> Callable[[Values], Embed]:
        """Fit kernel ridge onto codes -> what makes an embedding of `width` and `penalty`.

        The Gaussian kernel, in its Nyström form on landmarks of every table's rows (see
        `zscr.infer.evaluation.controls.kernel`); where all rows are landmarks it is exact.
        """
        scaled, goals = self.scale(features), centred(class_codes(features))
        count, each = sum(len(features[t].rows) for t in self.tables), LANDMARKS // len(self.tables)
        landmarks = np.concatenate([_spread(scaled(features, t), each) for t in self.tables])

        @cache
        def problem(width: float) -> tuple[Matrix, Matrix, Matrix]:
            gram, aim = np.zeros(()), np.zeros(())
            for table in self.tables:
                kernels = gaussian(scaled(features, table), landmarks, width)
                gram = gram + kernels.T @ kernels
                aim = aim + kernels.T @ goals[owners(features[table])]
            own = gaussian(landmarks, landmarks, width)
            return gram, count * (own + _JITTER * np.eye(len(own))), aim

        def solved(values: Values) -> Embed:
            width, penalty = values["width"], values["penalty"]
            gram, ridge, aim = problem(width)
            weights = np.linalg.solve(gram + penalty * ridge, aim)

            def one(split: Features, table: str) -> Matrix:
                found: Matrix = gaussian(scaled(split, table), landmarks, width) @ weights
                return found

            return lambda split: self.asked.embed(lambda table: one(split, table))

        return solved


@dataclass(frozen=True)
class Problem:
    """A least-squares problem, whatever it is fitted onto.

    Attributes:
        scaled: scales a table's rows; asked: the tables that are compared.
        gram: X'X (D, D); cross: the sums of rows a class (C, D).
    """

    scaled: Scaled
    asked: Asked
    gram: Matrix
    cross: Matrix

    def onto(self, targets: Matrix) -> Callable[[Values], Embed]:
        """Return what makes an embedding of a `lambda`, fitted onto a vector a class (C, E)."""
        aim = self.cross.T @ centred(targets)

        def solved(values: Values) -> Embed:
            weights = np.linalg.solve(self.gram + values["lambda"] * np.eye(len(self.gram)), aim)
            return lambda split: self.asked.embed(lambda one: self.scaled(split, one) @ weights)

        return solved


def centred(targets: Matrix) -> Matrix:
    """Return targets (C, E) less their mean."""
    found: Matrix = targets - targets.mean(0)
    return found


def _spread(rows: Matrix, count: int) -> Matrix:
    """Return at most `count` rows, evenly spread over these, which lie class after class."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(np.int64)]
