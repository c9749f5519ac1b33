"""What is drawn before anything is timed: which queries are asked, and when they arrive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np

Item = TypeVar("Item")
_BLOCK = 1024


def draw(pool: Sequence[Item], seed: int) -> Iterator[Item]:
    """Yield members of a pool without end, each as likely as any other, with replacement."""
    rng = np.random.default_rng(seed)
    while True:
        yield from (pool[place] for place in rng.integers(len(pool), size=_BLOCK))


def draw_batches(pool: Sequence[Item], seed: int, size: int) -> Iterator[list[Item]]:
    """Yield lists of such draws without end."""
    drawn = draw(pool, seed)
    while True:
        yield list(islice(drawn, size))


def arrivals(rate: float, count: int, seed: int) -> list[float]:
    """Return when each of `count` queries arrives, in seconds from the start: a Poisson process.

    The times between arrivals are exponential with the mean 1 / rate. Of one seed, schedules of
    different rates differ by their scale alone.
    """
    gaps = np.random.default_rng(seed).exponential(size=count) / rate
    return [float(moment) for moment in np.cumsum(gaps)]
