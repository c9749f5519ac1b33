"""What numpy's pickles call, rebuilt so that an array exists only where a file holds its bytes.

numpy's own `ndarray`, `_reconstruct` and `dtype` would allocate any shape and objects of any kind.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_KINDS = frozenset("b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split())
_MAX_DIMENSIONS = 4

Args = tuple[Any, ...]
Charge = Callable[
    [int], None
]  # told of bytes before they are copied; raises when there are too many
Call = Callable[[Args, Charge], Any]


@dataclass
class PickledDtype:
    """A dtype as far as a file has described it."""

    kind: str
    order: str = "<"

    @property
    def size(self) -> int:
        """Bytes of one number."""
        return int(self.kind[1:])

    def build(self, state: Args, charge: Charge) -> PickledDtype:
        """Take numpy's `(version, byte order, None, None, None, …)`; ValueError for another."""
        order = state[1] if len(state) >= 5 else None
        if not isinstance(order, str) or order not in ("<", ">", "|"):
            raise ValueError("an array's byte order is unknown")
        if any(part is not None for part in state[2:5]):
            raise ValueError("an array has fields, it is no array of plain numbers")
        self.order = order
        return self

    def read(self, content: bytes) -> npt.NDArray[Any]:
        """Return `content` as a read-only array."""
        return np.frombuffer(content, np.dtype(self.order + self.kind))


@dataclass
class PickledArray:
    """An array, empty until the file brings its shape, dtype and bytes."""

    array: npt.NDArray[Any] | None = None

    def build(self, state: Args, charge: Charge) -> npt.NDArray[Any]:
        """Take numpy's `(version, shape, dtype, is Fortran, bytes)`; ValueError for another."""
        if len(state) != 5 or not isinstance(state[1], tuple):
            raise ValueError("an array's state is not (version, shape, dtype, order, bytes)")
        _, shape, dtype, fortran, content = state
        if len(shape) > _MAX_DIMENSIONS or not all(type(n) is int and n > 0 for n in shape):
            raise ValueError("an array is empty or its shape is not one to four numbers")
        if not isinstance(dtype, PickledDtype):
            raise ValueError("an array's dtype is not a bool, int or float")
        size = math.prod(shape) * dtype.size
        numbers = dtype.read(_bytes(content, size, charge))
        by_column = fortran is True or fortran == 1
        self.array = numbers.reshape(shape[::-1]).T if by_column else numbers.reshape(shape)
        return self.array


def _bytes(content: Any, size: int, charge: Charge) -> bytes:
    if not isinstance(content, str | bytes) or len(content) != size:
        raise ValueError(f"an array's {size} bytes are not in the file")
    if isinstance(content, bytes):
        return content
    charge(size)
    return content.encode("latin1")


def _array(args: Args, charge: Charge) -> PickledArray:
    if not args or args[0] is not _no_array:
        raise ValueError("an array is of a class other than numpy.ndarray")
    return PickledArray()


def _no_array(args: Args, charge: Charge) -> None:
    raise ValueError("it calls numpy.ndarray, which allocates without content")


def _dtype(args: Args, charge: Charge) -> PickledDtype:
    kind = args[0] if args else None
    if not isinstance(kind, str) or kind not in _KINDS:
        shown = kind[:20] if isinstance(kind, str) else type(kind).__name__
        raise ValueError(f"an array has dtype {shown!a}, which is no bool, int or float")
    return PickledDtype(kind)


def _scalar(args: Args, charge: Charge) -> bool | int | float:
    if len(args) != 2 or not isinstance(args[0], PickledDtype):
        raise ValueError("a number is not (dtype, bytes)")
    dtype, content = args
    number: bool | int | float = dtype.read(_bytes(content, dtype.size, _free))[0].item()
    return number


def _free(size: int) -> None:
    """Charge nothing: a number is no larger than the opcodes that make it."""


def _encode(args: Args, charge: Charge) -> bytes:
    """Read `_codecs.encode(text, "latin1")`: how Python 3 writes bytes at protocol 2."""
    if len(args) != 2 or not all(isinstance(arg, str) for arg in args) or args[1] != "latin1":
        raise ValueError("it calls _codecs.encode for something other than bytes")
    charge(len(args[0]))
    return bytes(args[0], "latin1")


CALLS: dict[str, Call] = {
    "numpy.core.multiarray._reconstruct": _array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy.ndarray": _no_array,
    "numpy.dtype": _dtype,
    "_codecs.encode": _encode,
}
