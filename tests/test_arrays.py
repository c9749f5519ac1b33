"""Arrays of strangers: what numpy saves is read, and no header is believed."""

from __future__ import annotations

import hashlib
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.arrays import map_npy, npy_from, read_npz, write_npy


def saved(array: np.ndarray) -> bytearray:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return bytearray(buffer.getvalue())


def header(words: str, *, version: bytes = b"\1\0", size: int | None = None) -> bytearray:
    text = words.encode().ljust(117) + b"\n"
    start = b"\x93NUMPY" + version + struct.pack("<H", len(text) if size is None else size)
    return bytearray(start + text + bytes(64))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i8", "u4", "u1", "?", "i4"])
def test_what_numpy_saves_is_read(dtype, tmp_path):
    """Each type, and each number of axes, mapped or in memory."""
    for shape in ((6,), (2, 3), (1, 2, 3), (0, 4), ()):
        array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
        np.testing.assert_array_equal(npy_from(saved(array), "a"), array)
        (tmp_path / "a.npy").write_bytes(saved(array))
        np.testing.assert_array_equal(map_npy(tmp_path / "a.npy"), array)


def test_headers_that_lie_are_refused():
    """Sizes of any length, types that hold objects or Python, other orders and versions."""
    plain = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }"
    assert npy_from(header(plain % "4, 4"), "a").shape == (4, 4)
    tracemalloc.start()
    for content in (
        header(plain % "1000000000000000000, 1000000000000000000"),
        header(plain % "4, -4"),
        header(plain % "4, 5"),
        header(plain.replace("<f4", "|O8") % "4, 4"),
        header(plain.replace("False", "True") % "4, 4"),
        header(plain.replace("<f4", "<f3") % "4, 4"),
        header(plain.replace("<f4", "<b4") % "4, 4"),
        header(plain.replace("<f4", "<f1") % "4, 4"),
        header("__import__('os').abort()"),
        header("[" * 100),
        header(plain % "4, 4", version=b"\2\0"),
        header(plain % "4, 4", size=65535),
        bytearray(b"\x93NUMPY"),
        bytearray(),
    ):
        with pytest.raises(ValueError, match=r"a is no \.npy file|a says that it has"):
            npy_from(content, "a")
    assert tracemalloc.get_traced_memory()[1] < 1 << 20
    tracemalloc.stop()


def test_packed_arrays_have_their_bounds(tmp_path: Path):
    """100 MB of zeros in 100 kB, objects, a missing name, no ZIP at all."""
    path = tmp_path / "a.npz"
    np.savez_compressed(path, a=np.arange(3), b=np.ones((2, 2)))
    assert [array.shape for array in read_npz(path, ("a", "b"))] == [(3,), (2, 2)]
    with pytest.raises(ValueError, match="does not hold a, c"):
        read_npz(path, ("a", "c"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.npy", bytes(100_000_000))
    with pytest.raises(ValueError, match="would unpack to 100000000"):
        read_npz(path, ("a",))
    np.savez(path, a=np.array([{}]))
    with pytest.raises(ValueError, match="allow_pickle"):
        read_npz(path, ("a",))
    path.write_bytes(b"PK")
    with pytest.raises(ValueError, match="not a zip file"):
        read_npz(path, ("a",))


@given(counts=st.lists(st.integers(0, 5), max_size=4), dtype=st.sampled_from(["<f2", "|u1"]))
def test_blocks_end_to_end_are_the_file_that_numpy_writes(counts: list[int], dtype: str) -> None:
    """With its hash, and without ever joining them in memory."""
    blocks = [np.arange(6 * n).reshape(n, 2, 3).astype(dtype) for n in counts]
    whole = np.concatenate([np.empty((0, 2, 3), dtype), *blocks])
    wanted, written = io.BytesIO(), io.BytesIO()
    np.save(wanted, whole)
    sha256 = write_npy(written, np.dtype(dtype), whole.shape, blocks)
    assert written.getvalue() == wanted.getvalue()
    assert sha256 == hashlib.sha256(wanted.getvalue()).hexdigest()
