"""Ridge regression of both domains onto vectors of their classes: what a sketch model must beat.

W = (X'X + λI)⁻¹ X'T, with X (N, D) the scaled rows of sketches and photos together and T (N, E)
what their classes are: a code of their own (one-hot: no text at all), or a text's vector. A sketch
and a photo are compared by the cosine of x W, so that either may be of a class that was never
fitted: its code is then how far it resembles each class that was.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from zscr.infer.evaluation.controls.control import Control, Features
from zscr.infer.evaluation.controls.domains import (
    IMAGE,
    SKETCH,
    Asked,
    Domains,
    only_tables,
)
from zscr.infer.evaluation.controls.kernel import gaussian
from zscr.infer.evaluation.controls.preprocessing import Matrix
from zscr.infer.evaluation.controls.selected import Embed, Values, selected
from zscr.infer.evaluation.embedded import Vectors
from zscr.infer.features.table import group_means

PENALTIES = tuple(10.0 ** (half / 2) for half in (2, 0, 1, 3, 4, 5))  # beside rows of mean length 1
Targets = Callable[[Features], Matrix]  # features -> (C, E), a vector a class


def class_codes(features: Features) -> Matrix:
    """Return a one-hot code a class (C, C)."""
    return np.eye(len(features.groups))


def class_texts(features: Features) -> Matrix:
    """Return the mean of each class's texts (C, T)."""
    return group_means(features["text"].rows, features["text"].starts)


def half_whitened(targets: Targets) -> Targets:
    """Return targets whose axes of singular value s, about their mean, are divided by sqrt(s)."""

    def whitened(features: Features) -> Matrix:
        means = targets(features)
        rows, values, _ = np.linalg.svd(means - means.mean(0), full_matrices=False)
        kept = values > 1e-4 * values[0]
        halved: Matrix = rows[:, kept] * np.sqrt(values[kept])
        return halved

    return whitened


Fitted = Callable[[Features], Callable[[Values], Embed]]


def ridge_fit(asked: Asked, tables: Sequence[str], targets: Targets) -> Fitted:
    """Return what fits the regression to classes; see `selected`.

    Args:
        asked: which tables are compared.
        tables: those that it is fitted to, `sketch` and `image` among them.
        targets: what it is fitted onto.
    """

    def fit(features: Features) -> Callable[[Values], Embed]:
        fitted = only_tables(features, tables)
        domains, goals = Domains.of(fitted), targets(features)
        gram, cross = _moments(domains, fitted)
        aim = cross.T @ (goals - goals.mean(0))

        def solved(values: Values) -> Embed:
            penalty = values["lambda"] * np.eye(len(gram))
            weights = np.linalg.solve(gram + penalty, aim)
            return lambda split: asked.embed(lambda table: domains(split, table) @ weights)

        return solved

    return fit


def _moments(domains: Domains, features: Features) -> tuple[Matrix, Matrix]:
    """Return X'X (D, D) and the rows' sums a class (C, D) over all tables, one at a time."""
    gram, cross = np.zeros(()), np.zeros(())
    for rows, sums in domains.sums(features):
        gram, cross = gram + rows.T @ rows, cross + sums
    return gram, cross


def ridge_control(
    name: str,
    seen: Features,
    val: Features,
    targets: Targets = class_codes,
    *,
    asked: Asked = Asked(),
    tables: Sequence[str] = (SKETCH, IMAGE),
    refit: bool = False,
) -> Control:
    """Fit and choose the regression.

    Args:
        name: of the control.
        seen: the classes it is fitted on; val: those that choose λ.
        targets, asked, tables: see `ridge_fit`.
        refit: fit the final map on both.
    """
    fit = ridge_fit(asked, tables, targets)
    return selected(name, seen, val, {"lambda": PENALTIES}, fit, refit=refit, asks=SKETCH)
