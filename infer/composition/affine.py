"""A channel's scores as inner products with what an index stores, plus a number a query.

A centred and projected channel scores s = (P q)·(x - μ) with q = v - mean, and normalised
(s - m) / d. With a = P q this is

    (a·x - a·μ - m) / d = (|a| / d) (a / |a|)·x + (-a·μ - m) / d,

so an index of unit rows x answers it, asked with the unit vector a / |a|: neither the length nor
the shift changes the order, and both are put back afterwards. P is symmetric and P P = P, so the
gallery's side needs no projection: (P q)·(P y) = (P q)·y.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.floating]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Affine:
    """One channel of B queries: image x scores lengths · (directions·x) + shifts.

    Attributes:
        directions: unit rows (B, D): what an index is asked with.
        lengths: (B,), 0 where a query's vector is zero and so says the same of every image.
        shifts: (B,).
    """

    directions: Vectors
    lengths: Scores
    shifts: Scores

    def scores(self, gallery: Numbers) -> Scores:
        """Return the scores (B, G) of a gallery's unit rows (G, D)."""
        products = (self.directions @ np.asarray(gallery, np.float32).T).astype(np.float64)
        return self.put_back(products)

    def put_back(self, products: Scores) -> Scores:
        """Return scores (B, G) of the directions' products with images."""
        return products * self.lengths[:, None] + self.shifts[:, None]

    def moments(self, mean: Numbers, covariance: Numbers) -> tuple[Scores, Scores]:
        """Return the mean and the standard deviation (B, 1) of the scores over a gallery.

        a·x has the mean a·m and the variance a'S a, with the mean m (D,) of the gallery's rows and
        their covariance S (D, D), so no gallery is read for them.
        """
        rows = self.directions.astype(np.float64)
        spread = np.sqrt(np.maximum(np.einsum("bd,de,be->b", rows, covariance, rows), 0))
        return self.put_back((rows @ mean)[:, None]), (self.lengths * spread)[:, None]

    def normalised(self, least: float, divisor: float) -> Affine:
        """Return the channel whose scores are (s - least) / divisor, the divisor above 0."""
        shifts = (self.shifts - least) / divisor
        return replace(self, lengths=self.lengths / divisor, shifts=shifts)

    def of(self, query: int) -> Affine:
        """Return the channel of one query."""
        rows = slice(query, query + 1)
        return Affine(self.directions[rows], self.lengths[rows], self.shifts[rows])


def affine(vectors: Numbers, gallery_mean: Numbers | None = None) -> Affine:
    """Return the channel of the vectors a (B, D), whose scores are a·(x - gallery_mean)."""
    rows = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(rows, axis=1)
    anywhere = np.eye(1, rows.shape[1])  # a direction of zero vectors, whose length is then 0
    unit = np.where(
        lengths[:, None] > 0, rows / np.where(lengths > 0, lengths, 1)[:, None], anywhere
    )
    mean = np.zeros(rows.shape[1]) if gallery_mean is None else gallery_mean.astype(np.float64)
    return Affine(unit.astype(np.float32), lengths, -(rows @ mean))


def projected(rows: Numbers, columns: Numbers) -> Scores:
    """Return P q of rows q (B, D), with P = V V' of orthonormal columns V (D, K)."""
    basis = np.asarray(columns, np.float64)
    return (np.asarray(rows, np.float64) @ basis) @ basis.T
