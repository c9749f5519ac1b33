"""Percentiles of latency that so many queries allow to be stated: upper bounds, never estimates.

Let q be the share of queries that may be slower than the percentile: 0.01 for p99. If the true
percentile lay above a bound B, each of n queries would take longer than B with a probability of at
least q, independently, and t of them or fewer would with a probability of at most

    P(t; n, q) = sum over i = 0..t of C(n, i) q^i (1 - q)^(n - i),

the lower tail of the binomial distribution. Where that is at most 1 - c, c = 0.99, a run in which
only t queries took longer than B proves the bound with confidence c. So the (t + 1)-th slowest of n
queries is such a bound for the largest t with P(t; n, q) <= 0.01, and with P(0; n, q) > 0.01 there
is none: n is too small. With t = 0 it takes (1 - q)^n <= 0.01, so 44 queries for p90 and 459 for
p99; with t = 1, 64 for p90, 130 for p95, 662 for p99 and 6,636 for p99.9.

This is the early stopping of MLPerf inference (Reddi et al. 2020, arXiv:1911.02549; tolerance
d = 0). Its loadgen begins at t = 1 and reports the t-th slowest, a rank above what the algebra
asks for. The queries are taken to be independent, there as here; of a queue they are not quite.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.99
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def needed(share: float, over: int = 0) -> int:
    """Return the fewest queries of which `over` may exceed a bound on a percentile.

    Args:
        share: of the queries that must be within, in (0, 1): 0.99 for p99.
        over: how many take longer.
    """
    low, high = over, over + 1
    while not _proves(share, over, high):
        low, high = high, 2 * high
    while high - low > 1:  # `low` is too few, `high` is enough
        middle = (low + high) // 2
        low, high = (low, middle) if _proves(share, over, middle) else (middle, high)
    return high


def allowed(share: float, count: int) -> int | None:
    """Return how many of `count` queries may exceed a bound; None if there are too few of them."""
    enough = np.flatnonzero(_tails(share, count) <= 1 - CONFIDENCE)
    return int(enough[-1]) if enough.size else None


def upper_bound(latencies: Sequence[float], share: float, unserved: int = 0) -> float | None:
    """Return the bound on a percentile that these latencies prove; None if they are too few.

    Args:
        latencies: of the queries that were answered, in any unit.
        share: of the queries that are within the percentile.
        unserved: queries that were due and have no answer: slower than all others. Where the bound
            would be one of theirs, it is infinite.
    """
    over = allowed(share, len(latencies) + unserved)
    if over is None:
        return None
    return math.inf if over < unserved else float(np.sort(latencies)[-1 - (over - unserved)])


def _proves(share: float, over: int, count: int) -> bool:
    return bool(_tails(share, count, over)[-1] <= 1 - CONFIDENCE)


def _tails(share: float, count: int, most: int | None = None) -> npt.NDArray[np.float64]:
    """Return P(t; count, 1 - share) for t = 0 to `most`, by logarithms, which do not underflow."""
    terms = np.arange(1, (count if most is None else most) + 1)
    choices = np.concatenate([[0.0], np.cumsum(np.log((count - terms + 1) / terms))])
    over = np.arange(len(choices))
    logs = choices + over * math.log1p(-share) + (count - over) * math.log(share)
    return np.cumsum(np.exp(logs))
