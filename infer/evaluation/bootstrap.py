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
    counts = resampled(len(means), seed=seed, draws=draws) * weights
    return bounds(counts @ means / counts.sum(axis=1, keepdims=True))


def resampled(groups: int, *, seed: int = 7, draws: int = DRAWS) -> Values:
    """Return (B, C) how often each draw, of C with replacement, holds each of C groups."""
    picked = np.random.default_rng(seed).integers(groups, size=(draws, groups))
    counts = np.zeros((draws, groups))
    np.add.at(counts, (np.arange(draws)[:, None], picked), 1)
    return counts


def bounds(figures: Values) -> Values:
    """Return the (M, 2) bounds of 95 % intervals of M figures over B draws, (B, M)."""
    tail = (1 - LEVEL) / 2
    found: Values = np.quantile(figures, [tail, 1 - tail], axis=0).T
    return found


def resampled_medians(values: Values, groups: npt.NDArray[np.intp], counts: Values) -> Values:
    """Return the (B,) medians of queries whose groups are resampled, each rounded down.

    A draw is not laid out: along the sorted values, the query at which the running sum of counts
    passes i is the i-th of the draw.

    Args:
        values: (Q,) a value a query; groups: (Q,) the number of its group.
        counts: (B, C) how often each draw holds each group.
    """
    order = np.argsort(values)
    values, groups = values[order], groups[order]
    medians = np.empty(len(counts))
    for place, draw in enumerate(counts):
        sums = draw[groups].cumsum()
        middle = np.searchsorted(sums, [(sums[-1] - 1) // 2, sums[-1] // 2], side="right")
        medians[place] = np.floor(values[middle].mean())
    return medians
