"""Hostile and genuine pickles: nothing runs, nothing bloats, and what Python 2 wrote is read."""

from __future__ import annotations

import contextlib
import io
import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.data.sources.zscrgan.unpickle import read_published_pickle
from zscr.errors import InputError

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.integers(0, 9) | st.text("ab", max_size=3), inner)
    ),
    max_leaves=20,
)
# As cPickle of Python 2.7.18 with numpy 1.16.6 writes {0: [np.float32([1.5, -2])]} at protocol 0.
CPICKLE_0 = (
    b"(dp1\nI0\n(lp2\ncnumpy.core.multiarray\n_reconstruct\np3\n(cnumpy\nndarray\np4\n(I0\ntS'b'\n"
    b"tRp5\n(I1\n(I2\ntcnumpy\ndtype\np6\n(S'f4'\nI0\nI1\ntRp7\n(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
    b"I00\nS'\\x00\\x00\\xc0?\\x00\\x00\\x00\\xc0'\ntbas."
)


@pytest.fixture
def read(tmp_path: Path):
    def read_bytes(content: bytes) -> object:
        path = tmp_path / "x.pkl"
        path.write_bytes(content)
        return read_published_pickle(path)

    return read_bytes


def dumps(value: object, protocol: int = 2) -> bytes:
    """Pickle as old numpy's module names have it."""
    return pickle.dumps(value, protocol).replace(b"numpy._core", b"numpy.core")


def array_pickle(shape: bytes, dtype: bytes = b"f4", content: bytes = b"\0" * 8) -> bytes:
    """Write a protocol-2 array by hand; `shape` is the opcodes of a tuple."""
    return (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R"
        b"(K\x01" + shape + b"cnumpy\ndtype\nU" + bytes([len(dtype)]) + dtype + b"K\0K\x01\x87R"
        b"(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89"
        b"T" + struct.pack("<i", len(content)) + content + b"tb."
    )


@given(value=PLAIN, protocol=st.integers(0, 2))
def test_plain_values_are_read_as_pickle_reads_them(tmp_path_factory, value, protocol):
    """Parity with the standard library on everything that is plain data."""
    path = tmp_path_factory.mktemp("p") / "x.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    assert repr(read_published_pickle(path)) == repr(value)


def test_protocol_0_array_of_python_2_is_read(read):
    """The published files' own form: text opcodes, escaped strings, Python 2's module names."""
    value = read(CPICKLE_0)
    assert list(value) == [0]
    assert np.array_equal(value[0][0], np.float32([1.5, -2]))
    assert value[0][0].dtype == np.float32


@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
@pytest.mark.parametrize("dtype", ["?", "i1", "u2", "<i8", ">f8", "f2", "f4"])
def test_arrays_survive(read, core, dtype):
    """Every allowed dtype, both byte orders, C and Fortran order, and numpy scalars."""
    c_order = (np.arange(6).reshape(2, 3) % 5).astype(dtype)
    value = {"c": c_order, 7: [np.asfortranarray(c_order), c_order[1, 2], c_order]}
    found = read(pickle.dumps(value, 2).replace(b"numpy._core", core))
    for array in (found["c"], found[7][0], found[7][2]):
        assert array.dtype == c_order.dtype
        assert np.array_equal(array, c_order)
    assert found[7][1] == c_order[1, 2].item()


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"cposix\nsystem\n(S'true'\ntR.", "posix.system"),
        (b"cnt\nsystem\n(S'true'\ntR.", "nt.system"),
        (b"c__builtin__\neval\n(S'1'\ntR.", "__builtin__.eval"),
        (b"cbuiltins\ngetattr\n.", "builtins.getattr"),
        (b"cnumpy.core.multiarray\nfromfile\n.", "fromfile"),
        (b"cnumpy.core.multiarray\nscalar\n(tR.", "not (dtype, bytes)"),
        (b"(S'true'\nios\nsystem\n.", "opcode b'i'"),
        (b"(cos\nsystem\no.", "os.system"),
        (b"\x80\x04\x95" + b"\0" * 8 + b".", "protocol 4"),
        (b"P1\n.", "opcode b'P'"),
        (b"cnumpy\nndarray\n((J\0\0\0\x40ttR.", "numpy.ndarray"),
        (array_pickle(b"J\0\0\0\x40J\0\0\0\x40\x86"), "bytes are not in the file"),
        (array_pickle(b"\x8a\x09" + b"\0" * 8 + b"\x01K\0\x86"), "empty"),
        (array_pickle(b"J\xff\xff\xff\xffJ\xfe\xff\xff\xff\x86"), "empty"),
        (array_pickle(b"(K\x01K\x01K\x01K\x01K\x02t"), "one to four"),
        (array_pickle(b"K\x01\x85", b"O8"), "'O8'"),
        (array_pickle(b"K\x01\x85", b"S8"), "'S8'"),
        (array_pickle(b"K\x01\x85", b"V8"), "'V8'"),
        (array_pickle(b"K\x03\x85"), "12 bytes are not in the file"),
        (b"L" + b"9" * 5000 + b"L\n.", "5001 digits"),
        (b"\x8b\xff\xff\xff\x7f.", "integer of 2147483647 bytes"),
        (b"T\xff\xff\xff\x7fab.", "2147483647 more bytes"),
        (b"S'\\d'\n.", "escape"),
        (b"}(NNNu.", "no dict"),
        (b"}]K\1s.", "key"),
        (b"}K\1\x85K\1s.", "key"),
        (b"(0.", "opcode b'0'"),
        (b"g7\n.", "never kept"),
        (b"a.", "not there"),
        (b"K\1(a.", "not there"),
        (b"t.", "mark"),
        (b"I1", "inside a line"),
        (b"", "1 more bytes"),
    ],
)
def test_hostile_pickles_are_refused_by_name(read, content, named):
    """Code, allocation without content and broken structure end in one sentence that names them."""
    with pytest.raises(InputError) as refused:
        read(content)
    message = str(refused.value)
    assert named in message
    assert "\n" not in message
    assert len(message) < 500


def test_hostile_pickle_runs_nothing(read, tmp_path):
    """A pickle that the standard library executes leaves no trace here."""
    trace = tmp_path / "ran"
    hostile = b"cposix\nsystem\n(S'touch " + str(trace).encode() + b"'\ntR."
    with pytest.raises(InputError):
        read(hostile)
    assert not trace.exists()
    pickle.Unpickler(io.BytesIO(hostile)).load()
    assert trace.exists(), "the corpus itself must be able to do harm"


def exponential(push: bytes) -> bytes:
    """Nest a value twice into itself 60 times: 2**60 leaves once expanded, from about 500 bytes."""
    return push + b"".join(b"q%ch%c\x86" % (i, i) for i in range(60)) + b"."


def peak_of_reading(path: Path) -> int:
    """Return the most bytes that reading took; only a refusal may end it early."""
    tracemalloc.start()
    try:
        with contextlib.suppress(InputError):
            read_published_pickle(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        exponential(b"K\1"),
        exponential(b"]"),
        b"}" + exponential(b"K\1")[:-1] + b"K\1s.",
        b"]q\0" + b"h\0a" * 1000 + b".",
        b"]" + b"".join(b"K\1r" + struct.pack("<I", 2**32 - 1 - i) for i in range(9)) + b".",
        b"K\1" + b"\x85" * 200_000 + b".",
        b"}" + b"K\1" + b"\x85" * 200_000 + b"K\1s.",
    ],
)
def test_reference_bombs_stay_linear(tmp_path, content):
    """Shared, cyclic, sparse-memo and very deep structures cost at most 200 bytes a byte."""
    path = tmp_path / "x.pkl"
    path.write_bytes(content)
    assert peak_of_reading(path) < 200 * len(content) + (1 << 16)


def test_one_string_cannot_fill_many_arrays(read):
    """3,000 arrays that refer to the same 100 kB would be 300 MB from a 200 kB file."""
    start, end = array_pickle(b"J\xa8\x61\0\0\x85", content=b"\0" * 100_000)[2:].split(b"T\xa0")
    text, end = b"T\xa0" + end[:100_003], end[100_003:-1]
    array = start + b"h\7" + end
    with pytest.raises(InputError, match="larger than the file"):
        read(b"]" + text + b"q\7a" + (array + b"a") * 3000 + b".")


VALID = dumps({1: [np.arange(4, dtype="f4"), np.float64(2.5)], "b": [[1.0, 2], ("x", True, None)]})


@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=6))
def test_flipped_bytes_give_a_value_or_a_refusal(tmp_path_factory, changes):
    """Any other exception, or memory out of proportion, fails; truncation is among the changes."""
    content = bytearray(VALID)
    for place, byte in changes:
        content[place] = byte
    path = tmp_path_factory.mktemp("p") / "x.pkl"
    path.write_bytes(content[: -changes[0][0]] if changes and changes[0][1] < 40 else content)
    assert peak_of_reading(path) < 200_000


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_every_truncation_is_refused(read, protocol):
    """A file that ends early never passes for a whole one."""
    whole = pickle.dumps({1: [1.5, "a\n", 70000, -1, True], "b": ("x",)}, protocol)
    for end in range(len(whole)):
        with pytest.raises(InputError):
            read(whole[:end])
