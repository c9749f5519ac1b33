"""What a machine allows: bytes and products a second, and the memory that a piece of work takes."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from types import TracebackType

import torch


class Peak:
    """The highest memory in use within the block, over what was in use before it, in MB."""

    def __init__(self, device: torch.device) -> None:
        self.cuda, self.megabytes = device.type == "cuda", 0.0

    def __enter__(self) -> Peak:
        if self.cuda:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        else:
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
        self.before = self._now()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        high = torch.cuda.max_memory_allocated() if self.cuda else _status("VmHWM")
        self.megabytes = (high - self.before) / 1e6

    def _now(self) -> int:
        return torch.cuda.memory_allocated() if self.cuda else _status("VmRSS")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def bandwidth(device: torch.device) -> float:
    """Bytes a second that a copy of 256 MB reads and writes."""
    source = torch.ones(1 << 26, device=device)
    target = torch.empty_like(source)
    return 2 * 4 * len(source) / _median_seconds(lambda: target.copy_(source), device)


def product_rate(device: torch.device) -> float:
    """Flops a second of one large square product, in the precision that is set."""
    size = 8192 if device.type == "cuda" else 1536
    matrix = torch.randn(size, size, device=device)
    with torch.no_grad():
        return 2.0 * size**3 / _median_seconds(lambda: matrix @ matrix, device)


def _median_seconds(run: object, device: torch.device, repeats: int = 7) -> float:
    times = []
    for _ in range(repeats + 1):
        if device.type == "cuda":
            torch.cuda.synchronize()
        clock = time.perf_counter if device.type == "cuda" else time.process_time
        start = clock()
        run()  # type: ignore[operator]
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(clock() - start)
    return statistics.median(times[1:])
