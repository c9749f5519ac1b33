"""By how much a device's product of a query and a row may differ from the true one, at most.

A row x and a query q are rounded to float16, x' = x + dx and q' = q + dq. The product that is meant
differs from that of the rounded ones by q·x - q'·x' = -(dq·x) - q'·dx, so by Cauchy and Schwarz by
|dq| |x| + |q'| |dx| at most; the lengths are measured, of all rows and of each query.

x'·q' is then summed up in float32: the product of two float16 is exact there, and a sum of D of
them is off by D u Σ|x'_i q'_i| <= D u |x'| |q'| at most, whatever its order (Higham, Accuracy and
Stability of Numerical Algorithms, 2002, 3.1), where u is the rounding unit of an addition. An
addition that rounds has u = 2^-24; tensor cores cut off what reaches below the largest number of a
few (Fasi et al., Numerical behavior of NVIDIA tensor cores, 2021): for them 2^-22 is taken.
cuBLAS may also sum parts of a float16 product up in float16, unless it is told not to before the
first: see `sums_are_float32`. Where another part of the process was faster, what is assumed here is
wrong; so it is compared with the true scores of the candidates, too.

Last, the sum is rounded to float16. A row that is not among the best by these has a score of at
most the least of theirs, s; its sum is then at most the next float16 above s, however it was
rounded.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zscr.infer.index.exact import Vectors

Halves = npt.NDArray[np.float16]
Bounds = npt.NDArray[np.float64]  # (B,)

OPTIONS, DISALLOW_FLOAT16_SUMS = "ORT_CUDA_GEMM_OPTIONS", 2
_ROUNDED, _CUT_OFF, _HALF = 2.0**-23, 2.0**-22, 2.0**-10  # of an addition; each twice what it is
_SLACK = 1.001  # lengths are measured in float32


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
        """Measure rows (N, D), N >= 1, and the same in float16."""
        lost = _lengths(full - half.astype(np.float32)).max()
        return cls(full.shape[1], float(_lengths(full).max()), float(lost))

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


def largest(parts: Sequence[Rounding]) -> Rounding:
    """Return what bounds the products with all rows, of which each part has measured some."""
    longest, lost = (max(getattr(one, name) for one in parts) for name in ("longest", "lost"))
    return Rounding(parts[0].dim, longest, lost)


def sums_are_float32() -> bool:
    """Say whether onnxruntime has cuBLAS sum products of float16 in float32, parts of them, too."""
    told = os.environ.get(OPTIONS, "")
    return told.isdigit() and int(told) & 3 == DISALLOW_FLOAT16_SUMS


def _lengths(rows: Vectors) -> Bounds:
    lengths: Bounds = np.sqrt(np.einsum("nd,nd->n", rows, rows)).astype(np.float64)
    return lengths
