"""What was timed: milliseconds of wall clock and of computing, a value a query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from zscr.infer.bench.clock import Clock
from zscr.infer.bench.percentile import SHARES, needed, upper_bound

WHOLE = "whole"
Item = TypeVar("Item")


@dataclass
class Times:
    """Milliseconds of one thing, in the order in which it was done.

    Attributes:
        wall: by the clock.
        cpu: that all threads computed; empty where several queries run at once.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def add(self, wall: float, cpu: float | None = None) -> None:
        """Add a time in seconds."""
        self.wall.append(round(1e3 * wall, 4))
        if cpu is not None:
            self.cpu.append(round(1e3 * cpu, 4))

    @property
    def mean(self) -> float:
        """The mean by the clock."""
        return sum(self.wall) / len(self.wall)

    @property
    def mean_cpu(self) -> float | None:
        """The mean of what was computed, if that is known."""
        return sum(self.cpu) / len(self.cpu) if self.cpu else None


@dataclass
class Stopwatch:
    """Times parts that follow each other: `lap` adds to a part what has passed since the last."""

    clock: Clock
    times: dict[str, Times] = field(default_factory=dict)
    _before: tuple[float, float] = (0.0, 0.0)

    def start(self) -> None:
        """Begin the first part."""
        self._before = self.clock.wall(), self.clock.cpu()

    def lap(self, part: str) -> None:
        """End a part, and begin the next one."""
        wall, cpu = self.clock.wall(), self.clock.cpu()
        times = self.times.setdefault(part, Times())
        times.add(wall - self._before[0], cpu - self._before[1])
        self._before = wall, cpu

    def timing(self, call: Callable[[Item], object], part: str = WHOLE) -> Callable[[Item], None]:
        """Return a call whose time is that of a part."""

        def timed(item: Item) -> None:
            self.start()
            call(item)
            self.lap(part)

        return timed


def percentiles(wall: list[float], unserved: int = 0) -> dict[str, Any]:
    """Return p50, p90 and p99: the bound in ms, null if it is none, and the queries it needs.

    Args:
        wall: milliseconds.
        unserved: queries that were due and have no answer.
    """
    bounds = {name: upper_bound(wall, share, unserved) for name, share in SHARES.items()}
    return {
        name: {"ms": bound if bound != float("inf") else None, "needs": needed(SHARES[name])}
        for name, bound in bounds.items()
    }
