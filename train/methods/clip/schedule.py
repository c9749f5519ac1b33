"""The learning rate: it rises linearly, then falls as a cosine (Loshchilov and Hutter 2017)."""

from __future__ import annotations

import math


def rate_at(step: int, steps: int, warmup: float, *, falls: bool = True) -> float:
    """Return the share of the highest rate that update `step` (from 0) of `steps` has.

    Args:
        warmup: share of the updates in which it rises.
        falls: whether it does behind these; otherwise it stays.

    >>> [round(rate_at(step, 5, 0.2), 2) for step in range(5)]
    [1.0, 0.85, 0.5, 0.15, 0.0]
    """
    rising = warmup * steps
    if step + 1 < rising:
        return (step + 1) / rising
    if not falls:
        return 1.0
    done = (step + 1 - rising) / max(steps - rising, 1)
    return (1 + math.cos(math.pi * min(done, 1.0))) / 2
