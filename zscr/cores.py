"""The cores that this process may keep busy: its affinity, limited by the quota of its container.

A container with a quota of 1.5 cores on a machine of 64 sees all 64; 64 threads then use up the
quota at once, and are all stopped until the next period begins.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

from zscr.control_groups import group_folders, group_text


def usable_cores(root: Path = Path("/")) -> int:
    """Return how many threads can run at once: the cores of the affinity, or fewer by the quota.

    A quota is rounded up: of 1.5 cores a second thread gets half. It is at least 1.

    Args:
        root: of the file system, where /proc and /sys are.
    """
    quota = cpu_quota(root)
    cores = affinity()
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def affinity() -> int:
    """Return how many cores the system may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS and Windows, which tie no process to cores by this call


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return the cores' worth of time that the control groups allow; None without a limit.

    Args:
        root: of the file system, where /proc and /sys are.
    """
    return min(_quotas(root), default=None)


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quota of each control group around this process that has one."""
    for version, folder in group_folders("cpu", root):
        if version == 2:
            told = group_text(folder / "cpu.max").split()
        else:
            told = [group_text(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period")]
        if len(told) == 2 and told[0].isdigit() and told[1].isdigit():  # not "max", nor -1
            quota, period = map(int, told)
            if quota and period:
                yield quota / period
