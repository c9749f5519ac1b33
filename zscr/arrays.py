"""Arrays of strangers: NumPy's .npy and .npz, read so that no header decides what is allocated.

`numpy.load` evaluates the header as Python and believes its shape; here a pattern takes the header
apart, and the shape must give the very size of the file.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from zscr.regular import open_regular

Array = npt.NDArray[Any]
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '([<|](?:b1|[iu][1248]|f[248]))', 'fortran_order': False, "
    rb"'shape': \(([0-9, ]{0,60})\), \} *\n",
    re.DOTALL,
)
_HEADER_LIMIT = 1024  # bytes; numpy pads it to 128
_RATIO = 200  # of a packed array to its part of the file
_NPZ_FAULTS: tuple[type[Exception], ...] = (
    ValueError,
    EOFError,
    KeyError,
    MemoryError,
    NotImplementedError,
    OSError,  # a place before the start of the file
    OverflowError,
    RecursionError,
    RuntimeError,
)


def npy_from(content: bytearray, name: str) -> Array:
    """Return the array that the bytes of an .npy file hold; it shares their memory.

    Raises:
        ValueError: no version 1.0 in C order of plain numbers, or not of the file's size.
    """
    dtype, shape, start = _header(bytes(content[:_HEADER_LIMIT]), len(content), name)
    return np.frombuffer(content, dtype, math.prod(shape), start).reshape(shape)


def npy_header(path: Path) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return the type and the shape of the array in an .npy file, without reading its numbers.

    Raises:
        ValueError: as `npy_from`.
        OSError, InputError: the file cannot be read, or is no regular one.
    """
    with open_regular(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        dtype, shape, _ = _header(file.read(_HEADER_LIMIT), size, path.name)
    return dtype, shape


def write_npy(
    file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...], blocks: Iterable[Array]
) -> str:
    """Write blocks of rows end to end as one .npy file, so that none need be copied to join them.

    Args:
        file: to write to; dtype: of all blocks; shape: of all rows together.
        blocks: one after the other, as many rows as the shape says.

    Returns:
        The sha256 of what was written.
    """
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": dtype.str, "fortran_order": False, "shape": shape}
    )
    file.write(header.getvalue())
    digest = hashlib.sha256(header.getvalue())
    for block in blocks:
        content = np.ascontiguousarray(block).reshape(-1).view(np.uint8)
        file.write(content.data)
        digest.update(content.data)
    return digest.hexdigest()


def map_npy(path: Path) -> Array:
    """Return the array of an .npy file, mapped and not to be written to.

    Raises:
        ValueError: as `npy_from`.
    """
    with open_regular(path) as file:
        start = file.read(_HEADER_LIMIT)
        dtype, shape, offset = _header(start, file.seek(0, 2), path.name)
        if not math.prod(shape):
            return np.empty(shape, dtype)
        return np.memmap(file, dtype, "r", offset, shape)


def read_npz(path: Path, names: Sequence[str]) -> list[Array]:
    """Return arrays of an .npz file by their names; packed ones unpack to 200 times at most.

    Raises:
        ValueError: no such file, an array is missing, damaged, of objects, or too large.
    """
    import zipfile
    import zlib

    faults: tuple[type[Exception], ...] = (*_NPZ_FAULTS, zipfile.BadZipFile, zlib.error)
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            entries = [archive.getinfo(f"{name}.npy") for name in names]
            total, packed = sum(entry.file_size for entry in entries), file.seek(0, 2)
            if total > (1 << 20) + _RATIO * packed:
                raise ValueError(f"{packed} bytes would unpack to {total}")
        with np.load(path, allow_pickle=False) as content:
            return [content[name] for name in names]
    except faults as error:
        raise ValueError(f"{path.name} does not hold {', '.join(names)} ({error!r})") from error


def _header(start: bytes, size: int, name: str) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Return dtype, shape and where the numbers begin."""
    found = _HEADER.match(start)
    if found is None or found.end() != 10 + int.from_bytes(start[8:10], "little"):
        raise ValueError(f"{name} is no .npy file of numbers in C order, version 1.0")
    dtype = np.dtype(found[1].decode())
    shape = tuple(int(number) for number in found[2].decode().replace(",", " ").split())
    if found.end() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"{name} says that it has {dtype} {shape}, but has {size} bytes")
    return dtype, shape, found.end()
