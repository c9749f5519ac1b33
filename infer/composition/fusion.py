"""Channels' scores fused into one: sum, weights, slerp, product, Harris (BASIC) and cdf (WeiCom).

With the scores s and t of two channels, often of an image and of a text:

- `sum` s + t; `weights` w_1 s + w_2 t: both are the score of one vector, since s = a·x and t = b·x
  make w_1 s + w_2 t = (w_1 a + w_2 b)·x.
- `slerp` (Jang et al., arXiv:2405.00571): sin((1-α)θ)/sin θ s + sin(αθ)/sin θ t, where θ is the
  angle of the channels' unit vectors: a sum with weights of the query's own. Where the vectors are
  all but parallel, |cos θ| > .9995, sin θ tells nothing, and (1-α) s + α t is taken, divided by the
  length of that vector.
- `product` max(0, s) · max(0, t): without the floor two channels that both say no would say yes.
- `harris` (BASIC, Psomas et al., NeurIPS 2025): s t - λ (s + t)², both floored at 0; Harris and
  Stephens' measure of a corner, which is high where both are, and not where one is alone.
- `cdf` (WeiCom, Psomas et al., IGARSS 2024): (1-l) Φ(z_s) + l Φ(z_t), with z = (s - mean) / std of
  a channel over the gallery, Φ the distribution function of the normal distribution.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import cache, reduce
from operator import add, mul

import numpy as np
import numpy.typing as npt

from zscr.errors import ConfigError
from zscr.infer.composition.composition import Fusion

Scores = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.floating]
# A channel's mean and standard deviation over the gallery, (B, 1) each.
Moments = tuple[Scores, Scores]

PARALLEL = 0.9995  # |cos| from which slerp is linear
_LEAST_STD = 1e-12  # a channel that says the same of every image says nothing


def fused(
    scores: Sequence[Numbers],
    fusion: Fusion,
    *,
    cosines: Numbers | None = None,
    moments: Sequence[Moments] | None = None,
) -> Scores:
    """Fuse the scores of C channels, (B, G) each, into one (B, G).

    Args:
        scores: of B queries and G images, in the order of the fusion's weights; `slerp`, `harris`
            and `cdf` take two, and their value is the share of the second.
        fusion: how.
        cosines: (B,) between the unit vectors of both channels, which `slerp` needs.
        moments: of each channel over the gallery, for `cdf`; None takes those of `scores`, which
            are then of the whole gallery.

    Raises:
        ConfigError: another number of channels than the fusion takes, or `slerp` without cosines.
    """
    parts = [np.asarray(one, np.float64) for one in scores]
    if fusion.is_linear:
        weights = weights_of(fusion, len(parts), cosines)
        return _sum_of(one * weights[:, [row]] for row, one in enumerate(parts))
    fusion.check(len(parts))
    if fusion.kind == "cdf":
        known = moments or [moments_of(one) for one in parts]
        first, second = (normal_cdf(standard(*pair)) for pair in zip(parts, known, strict=True))
        share = fusion.number
        return (1 - share) * first + share * second
    floored = [np.maximum(one, 0) for one in parts]
    product: Scores = reduce(mul, floored)
    if fusion.kind == "product":
        return product
    return product - fusion.number * _sum_of(floored) ** 2


def weights_of(fusion: Fusion, channels: int, cosines: Numbers | None = None) -> Scores:
    """Return the weights (B or 1, C) of a fusion that is linear: of scores, and of their vectors.

    Raises:
        ConfigError: another number of channels than the fusion takes, or `slerp` without cosines.
    """
    fusion.check(channels)
    if fusion.kind == "sum":
        return np.ones((1, channels))
    if fusion.kind == "weights":
        return np.array([fusion.weights], np.float64)
    if cosines is None:
        raise ConfigError("slerp needs the cosines between both channels' vectors; give them")
    return slerp_weights(np.asarray(cosines, np.float64), fusion.number)


def slerp_weights(cosines: Scores, alpha: float) -> Scores:
    """Return the weights (B, 2) of pairs of unit vectors, for the point at `alpha` on their arc.

    The point has unit length: |sin((1-α)θ) a + sin(αθ) b|² = sin²θ, by cos θ = a·b and the theorem
    of addition. It is the first vector at 0 and the second at 1.
    """
    clipped = np.clip(cosines, -1, 1)
    angle = np.arccos(clipped)
    near = np.abs(clipped) > PARALLEL
    sine = np.where(near, 1, np.sin(angle))
    length = np.sqrt((1 - alpha) ** 2 + alpha**2 + 2 * alpha * (1 - alpha) * clipped)
    line = np.stack([np.full_like(angle, 1 - alpha), np.full_like(angle, alpha)], axis=1)
    arc = np.stack([np.sin((1 - alpha) * angle), np.sin(alpha * angle)], axis=1) / sine[:, None]
    straight = line / np.maximum(length, _LEAST_STD)[:, None]
    return np.where(near[:, None], straight, arc)


def moments_of(scores: Scores) -> Moments:
    """Return the mean and the standard deviation (B, 1) of whole galleries' scores (B, G)."""
    return scores.mean(axis=1, keepdims=True), scores.std(axis=1, keepdims=True)


def standard(scores: Scores, moments: Moments) -> Scores:
    """Return how many standard deviations scores lie above their mean."""
    mean, std = moments
    return (scores - mean) / np.maximum(std, _LEAST_STD)


def normal_cdf(values: Scores) -> Scores:
    """Return Φ, the normal distribution's function, to 3e-8.

    NumPy has no erf. Between points h = .001 apart a straight line is off by at most
    h² max |Φ''| / 8 = .25e-6 / 8; it never falls, which the certificate of exactness rests on.
    """
    points, heights = _table()
    return np.interp(values, points, heights)


def _sum_of(parts: Iterable[Scores]) -> Scores:
    return reduce(add, parts)


@cache
def _table() -> tuple[Scores, Scores]:
    points = np.linspace(-9, 9, 18_001)
    return points, np.array([0.5 * math.erfc(-z / math.sqrt(2)) for z in points.tolist()])
