"""Files of named tensors in the format of safetensors, written and read a tensor at a time.

Eight bytes of the header's length (little-endian), the header (JSON: name -> dtype, shape, and the
bytes from and to which it lies behind the header), then the tensors. The library of that name reads
these files; it would read all of one, and before anything of it is proved.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from zscr.blocks import BLOCK, BlockFile, BlockWriter
from zscr.disk import reading_faults
from zscr.schema import integer, listing, mapping, one_of, record
from zscr.strict_json import parse_json

_DTYPES = {"F32": "<f4", "F16": "<f2", "I64": "<i8", "U8": "|u1"}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}
_SIZE = integer(0, 1 << 60)
_LONGEST = 1 << 16  # bytes of a header; a segment has nine tensors
_HEADER = mapping(
    record(
        {
            "dtype": one_of(*_DTYPES),
            "shape": listing(_SIZE, 1, 2),
            "data_offsets": listing(_SIZE, 2, 2),
        }
    )
)
_ALIGNED = 64  # bytes; what the widest vector instructions load at once

Array = npt.NDArray[Any]


class Blocks(Protocol):
    """An array that is written a part at a time."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its numbers."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its size."""

    def blocks(self) -> Iterator[Array]:
        """Yield its rows."""


def write_tensors(path: Path, tensors: Mapping[str, Array | Blocks]) -> BlockWriter:
    """Write a new file; return what it was written by, which knows its hashes."""
    header, at = dict[str, Any](), 0
    ordered = sorted(tensors.items(), key=lambda one: -one[1].dtype.itemsize)  # so all are aligned
    for name, tensor in ordered:
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": [*tensor.shape]}
        size = math.prod(tensor.shape) * tensor.dtype.itemsize
        header[name]["data_offsets"] = [at, at + size]
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNED)
    with path.open("wb") as file:
        writer = BlockWriter(file)
        writer.write(len(text).to_bytes(8, "little") + text)
        for _, tensor in ordered:
            for rows in [tensor] if isinstance(tensor, np.ndarray) else tensor.blocks():
                if rows.nbytes:
                    writer.write(np.ascontiguousarray(rows).reshape(-1).view(np.uint8).data)
    return writer


def read_tensors(file: BlockFile) -> dict[str, tuple[Array, int]]:
    """Return the tensors of a file, not proved, each with where it starts in it, in bytes.

    Raises:
        ArtefactError: the header is damaged.
        ValueError: it is no such file.
    """
    length = int.from_bytes(file.read(0, min(8, len(file.content))), "little")
    if not 2 <= length <= _LONGEST:
        raise ValueError(f"{file.path.name} has a header of {length} bytes")
    header, base = parse_json(bytes(file.read(8, 8 + length))), 8 + length
    _HEADER(header, "its header")
    return {name: _tensor(file, name, about, base) for name, about in header.items()}


def _tensor(file: BlockFile, name: str, about: Mapping[str, Any], base: int) -> tuple[Array, int]:
    dtype, shape = np.dtype(_DTYPES[about["dtype"]]), about["shape"]
    start, stop = (base + offset for offset in about["data_offsets"])
    if stop - start != math.prod(shape) * dtype.itemsize or stop > len(file.content):
        raise ValueError(f"{name} of {file.path.name} does not lie in its file")
    return np.frombuffer(file.content[start:stop], dtype).reshape(shape), start


def open_blocks(
    path: Path, entry: Mapping[str, Any], digests: npt.NDArray[np.uint8] | None
) -> BlockFile:
    """Map a file that a manifest lists.

    Args:
        path: of the file; entry: of the manifest.
        digests: of its blocks (B, 32); None where the file is one block, or none.

    Raises:
        ArtefactError: it has another size, or cannot be read.
        ValueError: it has several blocks, and their hashes are missing.
    """
    size = entry["bytes"]
    if size > BLOCK and digests is None:
        raise ValueError(f"the hashes of the blocks of {path.name} are missing")
    if size <= BLOCK or digests is None:
        hashes = [bytes.fromhex(entry["sha256"])] if size else []
    else:
        hashes = [row.tobytes() for row in digests]
    with reading_faults(path):
        return BlockFile(path, size, entry["sha256"], hashes)
