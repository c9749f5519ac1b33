"""Ratios of medians with their intervals, and what they show.

Neighbouring queries share what else the machine did at the time. So blocks of them are resampled,
as many as a block is long, and not queries (the block bootstrap, Künsch 1989): the interval is
about as wide as that noise makes it, a little narrow for noise that drifts longer than a block.
What differed between two runs as a whole, such as a process that ran beside one of them, it cannot
hold. Subjects of one run took turns with the same queries, so their blocks are resampled together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zscr.infer.evaluation.bootstrap import bounds, resampled, resampled_medians

Values = npt.NDArray[np.float64]
FEWEST = 49  # values, in seven blocks; an interval of fewer says little
_NANOSECONDS = 1e6  # of a millisecond: medians are rounded down to whole ones


@dataclass(frozen=True)
class Ratio:
    """The median time of B over that of A, and the 95 % interval of that; `n`: of the fewer."""

    value: float
    low: float
    high: float
    n: int

    @property
    def verdict(self) -> str:
        """What it shows of B."""
        if self.n < FEWEST:
            return f"not known: {self.n} values, of {FEWEST} that it takes"
        if self.high < 1:
            return "faster"
        return "slower" if self.low > 1 else "no difference shown"


def ratio_of(a: Sequence[float], b: Sequence[float], *, together: bool, seed: int = 7) -> Ratio:
    """Return the ratio of the medians of two series in the order of their measurement.

    Args:
        a, b: milliseconds of one part.
        together: whether value i of both is of the same turn, so that blocks are resampled at once.
        seed: of the draws.
    """
    first, second = (np.maximum(1, np.floor(_NANOSECONDS * np.asarray(v))) for v in (a, b))
    drawn = _medians(first, seed), _medians(second, seed if together else seed + 1)
    [[low, high]] = bounds((drawn[1] / drawn[0])[:, None])
    value = float(np.median(second) / np.median(first))
    return Ratio(value, float(low), float(high), min(len(a), len(b)))


def _medians(values: Values, seed: int) -> Values:
    """Return the medians of draws of the values' blocks."""
    blocks = np.arange(len(values)) // math.isqrt(len(values))
    counts = resampled(int(blocks[-1]) + 1, seed=seed)
    return resampled_medians(values, blocks, counts)
