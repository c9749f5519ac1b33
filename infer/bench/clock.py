"""Where the time of a measurement comes from: the machine, or in tests a hand."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Tells and passes time, in seconds."""

    def wall(self) -> float:
        """Return the time since some moment."""

    def cpu(self) -> float:
        """Return what all threads of this process have computed since some moment."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


class SystemClock:
    """The machine's clocks of the highest resolution."""

    def wall(self) -> float:
        """Return the time since some moment."""
        return time.perf_counter()

    def cpu(self) -> float:
        """Return what all threads of this process have computed."""
        return time.process_time()

    def sleep(self, seconds: float) -> None:
        """Let time pass; the system wakes a thread some 0.1 ms late."""
        time.sleep(seconds)
