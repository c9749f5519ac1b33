"""By how much a device's product of a query and a row may differ from the true one, at most.

A row x and a query q are rounded to float16, x' = x + dx and q' = q + dq. The product that is meant
differs from that of the rounded ones by q·x - q'·x' = -(dq·x) - q'·dx, so by Cauchy and Schwarz by
|dq| |x| + |q'| |dx| at most; the lengths are measured, of all rows and of each query.

x'·q' is then summed up in float32: the product of two float16 is exact there, and a sum of D of
them is off by D u Σ|x'_i q'_i| <= D u |x'| |q'| at most, whatever its order (Higham, Accuracy and
Stability of Numerical Algorithms, 2002, 3.1), where u is the rounding unit of an addition. An
addition that rounds has u = 2^-24; tensor cores cut off what reaches below the largest number of a
few (Fasi et al., Numerical behavior of NVIDIA tensor cores, 2021): for them 2^-22 is taken.
cuBLAS may also sum parts of a float16 product up in float16, unless it is told not to: see
`sums_are_float32`.

Last, the sum is rounded to float16. A row that is not among the best by these has a score of at
most the least of theirs, s; its sum is then at most the next float16 above s, however it was
rounded.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zscr.infer.index.exact import Vectors

Halves = npt.NDArray[np.float16]
Bounds = npt.NDArray[np.float64]  # (B,)

OPTIONS, DISALLOW_FLOAT16_SUMS = "ORT_CUDA_GEMM_OPTIONS", 2
_ROUNDED, _CUT_OFF, _HALF = 2.0**-23, 2.0**-22, 2.0**-10  # of an addition; each twice what it is
_SLACK = 1.001  # lengths are measured in float32
_BLOCK = 1 << 22  # numbers that are measured at once


@dataclass(frozen=True)
class Rounding:
    """What bounds the error of products with the rows of one gallery.

    Attributes:
        dim: D.
        longest: the largest length of a row; lost: that of what rounding to float16 takes of one.
    """

    dim: int
    longest: float
    lost: float

    @classmethod
    def of(cls, full: Vectors, half: Halves) -> Rounding:
        """Measure rows (N, D) and the same in float16."""
        step = max(1, _BLOCK // max(1, full.shape[1]))
        longest = lost = 0.0
        for start in range(0, len(full), step):
            block = full[start : start + step]
            longest = max(longest, float(_lengths(block).max()))
            off = block - half[start : start + step].astype(np.float32)
            lost = max(lost, float(_lengths(off).max()))
        return cls(full.shape[1], longest, lost)

    def by_half(self, queries: Vectors, asked: Halves) -> Bounds:
        """Bound products of queries (B, D) in float16, `asked`, before their last rounding."""
        rounded = asked.astype(np.float32)
        off, length = _lengths(queries - rounded), _lengths(rounded)
        unit = _CUT_OFF if sums_are_float32() else _HALF
        sums = self.dim * unit * length * (self.longest + self.lost)
        return _SLACK * (off * self.longest + length * self.lost + sums)

    def by_full(self, queries: Vectors) -> Bounds:
        """Bound products of queries (B, D) in float32."""
        return _SLACK * self.dim * _ROUNDED * _lengths(queries) * self.longest


def sums_are_float32() -> bool:
    """Say whether onnxruntime has cuBLAS sum products of float16 in float32, parts of them, too."""
    told = os.environ.get(OPTIONS, "")
    return told.isdigit() and int(told) & 3 == DISALLOW_FLOAT16_SUMS


def _lengths(rows: Vectors) -> Bounds:
    return np.sqrt(np.einsum("nd,nd->n", rows, rows)).astype(np.float64)
