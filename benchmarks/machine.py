"""What a benchmark was run on, and with what: as `zscr bench` says it, and torch's version."""

from __future__ import annotations

from typing import Any

from zscr import machine

PACKAGES = (*machine.PACKAGES, "torch")


def describe() -> dict[str, Any]:
    """Return CPU, cores, memory, versions and git commit."""
    return machine.describe(PACKAGES)
