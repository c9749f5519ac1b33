"""Timing of single calls by both clocks, and percentiles of what they took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np

FEWEST = 662  # queries that a 99th percentile takes
CLOCKS = {"wall": time.perf_counter_ns, "cpu": time.process_time_ns}
Given = TypeVar("Given")


def taken(call: Callable[[Given], None], given: Given) -> dict[str, float]:
    """Return the milliseconds of a call by each clock."""
    before = {name: clock() for name, clock in CLOCKS.items()}
    call(given)
    return {name: (clock() - before[name]) / 1e6 for name, clock in CLOCKS.items()}


def percentiles(values: list[float], *, lowest: bool = False) -> dict[str, float]:
    """Return the median and the tails that so many values allow; `lowest` adds the tenth."""
    shown = {"p10": 10} if lowest else {}
    shown |= {"p50": 50, "p90": 90} | ({"p99": 99} if len(values) >= FEWEST else {})
    return {name: round(float(np.percentile(values, p)), 3) for name, p in shown.items()}
