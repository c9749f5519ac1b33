"""How well an image can score at most that is in none of the lists of candidates.

The N-th score of a channel's list is the most that any image outside of it has there. So what is
outside of all lists lies, as a point of the channels' scores, in the box up to these, and fuses to
at most U, the fusion's greatest value on that box. Where the k-th best of what was read scores more
than U, the top k is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zscr.infer.composition.composition import Fusion
from zscr.infer.composition.fusion import Moments, Numbers, fused


def bound(
    highest: Sequence[float],
    fusion: Fusion,
    *,
    cosines: Numbers | None = None,
    moments: Sequence[Moments] | None = None,
) -> float:
    """Return U for one query.

    `sum`, `slerp`, `product` and `cdf` fall with no score: U is their value at the box's corner. So
    do `weights` that are not negative; with a negative one nothing bounds what a low score adds.

    Args:
        highest: of each channel, the most that an image outside of all lists scores.
        fusion, cosines, moments: see `fused`.
    """
    if min(fusion.weights, default=0) < 0:
        return math.inf
    corner = _corner(highest, fusion) if fusion.kind == "harris" else highest
    scores = [np.array([[one]], np.float64) for one in corner]
    return float(fused(scores, fusion, cosines=cosines, moments=moments)[0, 0])


def _corner(highest: Sequence[float], fusion: Fusion) -> tuple[float, float]:
    """Return where s t - λ (s + t)² is greatest on [0, i] × [0, j].

    Its derivative by s, (1 - 2λ) t - 2λ s, is positive while s < c t, c = (1 - 2λ) / 2λ: for a
    given t the best s is min(i, c t), and likewise for t. On the ray s = c t it is
    t² (c - λ (c + 1)²) = t² (1 / 4λ - 1), by c + 1 = 1 / 2λ, so it grows along it for λ < 1/4; then
    c > 1, and the edge that is reached first decides: (min(i, c j), min(j, c i)).
    """
    first, second = (max(0.0, one) for one in highest)
    reach = (1 - 2 * fusion.number) / (2 * fusion.number)
    return min(first, reach * second), min(second, reach * first)
