"""Kernel ridge regression on preprocessed features: what `zscrgan` begins with, by itself.

Images x (N, I) map to k(x, X) · C with C = (K + λ N I)⁻¹ Y, K the Gaussian kernel
exp(-w |x - x'|²) of the images X that are fitted and Y (N, E) their classes' mean texts (Saunders,
Gammerman and Vovk 1998).
With more images than `EXACT`, K is replaced by its Nyström form on `LANDMARKS` of them (Williams
and Seeger 2000), whose weights solve (KₙₗᵀKₙₗ + λ N Kₗₗ) W = KₙₗᵀY.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from zscr.infer.evaluation.controls.control import Control, Features, unit
from zscr.infer.evaluation.controls.preprocessing import SHRINKS, Matrix, Preprocessing
from zscr.infer.evaluation.controls.selected import Embed, Values, selected
from zscr.infer.evaluation.embedded import Vectors
from zscr.infer.features.table import group_means, owners

PENALTIES = (5e-3, 1.5e-2, 1.5e-3)  # an image; the first is the default
MARGIN = 0.02  # of mAP: a dozen validation classes cannot tell smaller differences
WIDTHS = (1.0,)  # preprocessed images have a mean length of 1
EXACT, LANDMARKS = 5000, 2000  # images
_JITTER = 1e-8  # an image: landmarks may coincide


def kernel_ridge(
    seen: Features,
    val: Features,
    *,
    penalties: Sequence[float] = PENALTIES,
    shrinks: Sequence[float] = SHRINKS,
    widths: Sequence[float] = WIDTHS,
    refit: bool = False,
    exact: int = EXACT,
    landmarks: int = LANDMARKS,
) -> Control:
    """Fit and choose as `zscrgan` does: its candidates and its margin, without its rounds.

    Args:
        seen: the classes it is fitted on; val: those that choose.
        penalties: an image; shrinks: of the preprocessing; widths: of the kernel, w. The default
            of each is first.
        refit: fit the final map on both.
        exact: images up to which each is a landmark; landmarks: of more images.
    """

    def fit(features: Features) -> _Kernel:
        many = len(features["image"].rows) > exact
        return _Kernel(features, landmarks if many else None)

    grid = {"width": widths, "shrink": shrinks, "penalty": penalties}
    return selected("kernel ridge", seen, val, grid, fit, refit=refit, margin=MARGIN)


class _Kernel:
    """The kernel of the images that are fitted, factorised once a width and penalty."""

    def __init__(self, features: Features, landmarks: int | None) -> None:
        images = features["image"]
        self.owner, self.features = owners(images), features
        self.preprocessing = cache(lambda shrink: Preprocessing.of(features, shrink))
        self.scale = self.preprocessing(SHRINKS[0]).image
        self.rows = self.scale(images.rows)
        self.exact, count = landmarks is None, landmarks or len(self.rows)
        self.landmarks = self.rows[np.linspace(0, len(self.rows) - 1, count).astype(np.int64)]
        self.inverse = cache(self._inverse)

    def _inverse(self, width: float, penalty: float) -> Matrix:
        """Return (L, N): the map from targets (N, E) to weights (L, E)."""
        k, n = gaussian(self.rows, self.landmarks, width), len(self.rows)
        if self.exact:
            return np.asarray(np.linalg.inv(k + penalty * n * np.eye(n)), np.float64)
        own = gaussian(self.landmarks, self.landmarks, width)
        own += _JITTER * np.eye(len(self.landmarks))
        return np.asarray(np.linalg.solve(k.T @ k + penalty * n * own, k.T), np.float64)

    def __call__(self, values: Values) -> Embed:
        text, width = self.preprocessing(values["shrink"]).text, values["width"]
        table = self.features["text"]
        targets = group_means(text(table.rows), table.starts)[self.owner]
        weights = self.inverse(width, values["penalty"]) @ targets

        def embed(split: Features) -> tuple[Vectors, Vectors]:
            kernels = gaussian(self.scale(split["image"].rows), self.landmarks, width)
            return unit(text(split["text"].rows)), unit(kernels @ weights)

        return embed


def gaussian(rows: Matrix, others: Matrix, width: float = 1.0) -> Matrix:
    """Return exp(-width |x - y|²) of rows (N, D) and others (L, D) -> (N, L)."""
    lengths = (rows**2).sum(1)[:, None] + (others**2).sum(1)
    kernel: Matrix = np.exp(width * (2 * rows @ others.T - lengths))
    return kernel
