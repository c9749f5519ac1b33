"""What a machine allows: bytes and products a second, and the memory that a piece of work takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch


def highest_use(runs: Iterable[Callable[[], object]], device: torch.device) -> int:
    """Bytes in use at most while some runs follow each other."""
    on_gpu = device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
    for run in runs:
        run()
    return torch.cuda.max_memory_reserved() if on_gpu else _status("VmHWM")


def in_use(device: torch.device) -> int:
    """Bytes in use now."""
    return torch.cuda.memory_reserved() if device.type == "cuda" else _status("VmRSS")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def bandwidth(device: torch.device) -> float:
    """Bytes a second that a copy of 256 MB reads and writes."""
    source = torch.ones(1 << 26, device=device)
    target = torch.empty_like(source)
    return 2 * 4 * len(source) / _median_seconds(lambda: target.copy_(source), device)


def product_rate(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Flops a second of one large square product; of float32 in the precision that is set."""
    size = 8192 if device.type == "cuda" else 1536
    matrix = torch.randn(size, size, device=device, dtype=dtype)
    with torch.no_grad():
        return 2.0 * size**3 / _median_seconds(lambda: matrix @ matrix, device)


def seconds_of(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of the processor for one thread of the CPU, otherwise of the clock."""
    on_gpu = device.type == "cuda"
    alone = not on_gpu and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    if on_gpu:
        torch.cuda.synchronize()
    start = clock()
    run()
    if on_gpu:
        torch.cuda.synchronize()
    return clock() - start


def _median_seconds(run: Callable[[], object], device: torch.device, repeats: int = 7) -> float:
    return statistics.median([seconds_of(run, device) for _ in range(repeats + 1)][1:])
