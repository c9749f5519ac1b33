"""How fast this machine reads memory and computes, measured with numpy alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zscr.memory import available_memory
from zscr.processor import largest_cache

PASSES = 5
_BUFFER, _SIDE = 256 << 20, 768  # bytes that are read at least; rows and columns of a matrix
_CACHES, _SHARE = 4, 8  # a buffer is so many times the largest cache, if an eighth of the memory


@dataclass(frozen=True)
class Speed:
    """What was measured, the best of a few passes.

    Attributes:
        threads: that worked at the same time.
        gb_s: 10^9 bytes that were read a second; buffer: the bytes of a pass.
        gflop_s: 10^9 fp32 additions and multiplications a second, in products of matrices.
        blas: the library that computed them.
    """

    threads: int
    gb_s: float
    buffer: int
    gflop_s: float
    blas: str


def measure_speed(threads: int) -> Speed:
    """Read a buffer that no cache holds, and multiply matrices, on so many threads: a second or so.

    BLAS may have threads of its own; these wait for each other, so the sum is the machine's.
    """
    with ThreadPoolExecutor(threads) as pool:
        buffer, gb_s = _reading(pool, threads)
        return Speed(threads, gb_s, buffer, _computing(pool, threads), blas_name())


def _reading(pool: ThreadPoolExecutor, threads: int) -> tuple[int, float]:
    """Return the bytes of a pass, and 10^9 of them a second."""
    size = _buffer_size()
    parts = np.array_split(np.ones(size // 8, np.uint64), threads)
    return size, size / _best(lambda: [*pool.map(np.bitwise_or.reduce, parts)]) / 1e9


def _computing(pool: ThreadPoolExecutor, threads: int) -> float:
    """Return 10^9 additions and multiplications a second of products of matrices."""
    matrix = np.ones((_SIDE, _SIDE), np.float32)
    taken = _best(lambda: [*pool.map(matrix.__matmul__, [matrix] * threads)])
    return 2 * _SIDE**3 * threads / taken / 1e9


def blas_name() -> str:
    """Return what numpy computes products with, as it was built."""
    told = np.show_config(mode="dicts") or {}
    blas = told.get("Build Dependencies", {}).get("blas", {})
    return " ".join(str(blas[key]) for key in ("name", "version") if blas.get(key)) or "unknown"


def _buffer_size(root: Path = Path("/")) -> int:
    wished = max(_BUFFER, _CACHES * (largest_cache(root) or 0))
    return min(wished, available_memory(root) // _SHARE)


def _best(call: Callable[[], object]) -> float:
    """Return the seconds of the fastest of a few calls."""
    return min(seconds_of(call, PASSES))


def seconds_of(call: Callable[[], object], times: int) -> list[float]:
    """Return the seconds that each of some calls takes, after one that warms up."""
    call()
    taken = list[float]()
    for _ in range(times):
        before = time.perf_counter()
        call()
        taken.append(time.perf_counter() - before)
    return taken
