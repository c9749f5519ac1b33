"""What is done to features before a control is fitted: nothing but scaling, or all that helps.

The second is what `zscrgan` does to its own (`zscr.train.methods.scaling` and
`zscr.train.methods.zscrgan.improved.scaling`, which a test compares): a control without it would
lose to the preprocessing and not to the method.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.evaluation.controls.control import Features
from zscr.infer.features.table import group_means

Matrix = npt.NDArray[np.float64]
Map = Callable[[npt.NDArray[np.floating]], Matrix]
SHRINKS = (0.3, 1.0, 0.1, 10.0)  # of the texts' whitening; the first is the default
_ROUNDING = 1e-12  # a scale below this share of the values is rounding


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
        if not scale > _ROUNDING * (1 + np.abs(mean).max()):
            raise InputError(
                f"all {len(rows)} {what} of the seen classes are the same vector; "
                f"give features that differ, of at least 2 classes"
            )
        return cls(mean, scale)

    def __call__(self, rows: npt.NDArray[np.floating]) -> Matrix:
        """Scale (N, D) rows."""
        scaled: Matrix = (rows - self.mean) / self.scale
        return scaled


@dataclass(frozen=True)
class Preprocessing:
    """Maps of (N, I) image features and of (M, T) text features, fitted on the seen classes."""

    image: Map
    text: Map

    @classmethod
    def of(cls, seen: Features, shrink: float | None = None) -> Preprocessing:
        """Fit both maps.

        Args:
            seen: the classes that the control is fitted on.
            shrink: of the texts' whitening; None only centres both and brings them to length 1.

        Raises:
            InputError: all images, or all class mean texts, are the same vector.
        """
        images, texts = seen["image"], seen["text"]
        means = group_means(texts.rows, texts.starts)
        if shrink is None:
            return cls(Scaling.of(images.rows, "images"), Scaling.of(means, "class mean texts"))
        return cls(rooted_scaling(images.rows), _whitening(means, shrink))


def rooted_scaling(images: npt.NDArray[np.floating]) -> Map:
    """Fit the scaling of signed square roots of (N, D) images, of length 1 before it."""
    scaling = Scaling.of(_rooted(images), "images")
    return lambda rows: scaling(_rooted(rows))


def _rooted(rows: npt.NDArray[np.floating]) -> Matrix:
    """Return the signed square roots of rows (N, D), of length 1: the Hellinger kernel."""
    return _unit(np.sign(rows) * np.sqrt(np.abs(rows, dtype=np.float64)))


def _whitening(means: Matrix, shrink: float) -> Map:
    """Return the map of texts to unit rows in the class means' axes.

    Axis i, of singular value s_i, is scaled by 1 / sqrt(s_i² / s_1² + shrink).
    """
    scaling = Scaling.of(means, "class mean texts")  # refuses equal ones
    _, values, axes = np.linalg.svd(means - scaling.mean, full_matrices=False)
    kept = values > _ROUNDING * values[0]
    scaled = axes[kept].T / np.sqrt((values[kept] / values[0]) ** 2 + shrink)
    return lambda rows: _unit((rows - scaling.mean) @ scaled)


def _unit(rows: npt.NDArray[Any]) -> Matrix:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    normed: Matrix = rows / np.maximum(lengths, 1e-12)
    return normed
