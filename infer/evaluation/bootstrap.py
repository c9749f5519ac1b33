"""How far figures would move with other groups: percentile bootstrap intervals over groups.

Queries of one group, such as a class, stand or fall together, so groups are what is resampled
(a cluster bootstrap: Efron and Tibshirani 1993, chapter 13), not queries.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
DRAWS = 2000
LEVEL = 0.95


def group_intervals(
    means: Values, weights: Values, *, seed: int = 7, draws: int = DRAWS
) -> npt.NDArray[np.float64]:
    """Return the (M, 2) bounds of 95 % intervals of M figures.

    Each draw takes C groups with replacement; its figure is their weighted mean. A single group
    gives a point, which says nothing about other groups.

    Args:
        means: (C, M) each group's mean of each figure.
        weights: (C,) a group's weight: 1 for macro figures, its number of queries for micro ones.
        seed: of the draws, so that figures of the same groups are resampled alike.
        draws: B resamplings, all made at once: (B, C) counts.
    """
    groups = len(means)
    picked = np.random.default_rng(seed).integers(groups, size=(draws, groups))
    counts = np.zeros((draws, groups))
    np.add.at(counts, (np.arange(draws)[:, None], picked), 1)
    counts *= weights
    figures = counts @ means / counts.sum(axis=1, keepdims=True)
    tail = (1 - LEVEL) / 2
    bounds: npt.NDArray[np.float64] = np.quantile(figures, [tail, 1 - tail], axis=0).T
    return bounds
