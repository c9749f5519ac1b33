"""What compositions ask about a gallery: its mean, its covariance, what least its images score."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from zscr.infer.composition.affine import Numbers, Scores, Vectors
from zscr.infer.composition.basic import least
from zscr.infer.composition.words import evenly_placed

_SAMPLE = 1000  # images whose products with each other are measured
_BLOCK = 8192  # rows that are multiplied at once


class Statistics:
    """Of a gallery's unit rows (N, D); each is measured when it is first asked for."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    @cached_property
    def mean(self) -> Scores:
        """The mean (D,)."""
        mean: Scores = self._vectors.mean(axis=0, dtype=np.float64)
        return mean

    @cached_property
    def covariance(self) -> Scores:
        """The covariance (D, D), of all images, so divided by N."""
        count, dim = self._vectors.shape
        total = np.zeros((dim, dim))
        for start in range(0, count, _BLOCK):
            rows = self._vectors[start : start + _BLOCK] - self.mean
            total += rows.T @ rows
        found: Scores = total / count
        return found

    @cached_property
    def sample(self) -> Scores:
        """Centred rows (M, D) of at most 1,000 images, evenly spaced."""
        return self._vectors[evenly_placed(len(self._vectors), _SAMPLE)] - self.mean

    def least(self, centred: Numbers | None = None, mean: Numbers | None = None) -> float:
        """Return the least product of the sample with centred rows (T, D), or with itself.

        Args:
            centred: of texts; None is the sample.
            mean: (D,) that the gallery is centred by where it is not its own.
        """
        images = self.sample if mean is None else self.sample + self.mean - mean
        return least(images if centred is None else centred, images)
