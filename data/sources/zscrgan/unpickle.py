"""Reads the data pickles that Python 2 wrote for ZSCRGAN; nothing in a file can run or bloat.

Not `pickle.Unpickler`: it resolves names, hashes whatever a file calls a key (a deep tuple
overflows the C stack), and one stored string can be copied into thousands of arrays. The machine
below knows numbers, strings, lists, tuples, dicts and five names of numpy's pickles; it never
recurses, and every opcode costs a constant amount of memory or bytes that the file really holds.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from zscr.data.sources.zscrgan.pickled_arrays import CALLS, Call, PickledArray, PickledDtype
from zscr.errors import InputError

MAX_BYTES = 4 << 30  # the largest published file (48,562 images x 3,584 numbers) has 1.4 GB
_MAX_DIGITS = 40  # of a number written as text
_ESCAPES = re.compile(rb"""\\(?:[\\'"nrt]|x[0-9a-f]{2})""")  # all that Python 2's repr writes


def read_published_pickle(path: Path) -> object:
    """Read a pickle of protocol 0, 1 or 2 that holds plain values and numpy arrays of numbers.

    Python 2 strings become `str` (latin-1), numpy scalars become Python numbers, arrays are
    read-only. References that a file shares stay shared, so whoever expands the value must bound
    its size. Memory: linear in the file's size, at most about 100 bytes a byte.

    Raises:
        InputError: not a file, over 4 GiB, damaged, or holding anything but plain data.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    if path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path} has {path.stat().st_size} bytes, over the limit of {MAX_BYTES}")
    machine = _Machine(path.read_bytes())
    try:
        return machine.run()
    except ValueError as error:
        where = f"byte {machine.at} of {len(machine.raw)}"
        raise InputError(f"{path} is refused at {where}: {error}") from error


class _Machine:
    """The stack, the marks and the memo of a pickle being read. Every fault is a ValueError."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at, self.copied = raw, 0, 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> object:
        while (code := self.take(1)) != b".":
            if (read := _VALUES.get(code)) is not None:
                self.stack.append(read(self))
            elif (act := _ACTIONS.get(code)) is not None:
                act(self)
            else:
                raise ValueError(f"data never needs the opcode {code!r}")
        return self.pop()

    def take(self, count: int) -> bytes:
        start, end = self.at, self.at + count
        if end > len(self.raw):
            raise ValueError(f"it ends where {count} more bytes are due")
        self.at = end
        return self.raw[start:end]

    def line(self) -> bytes:
        end = self.raw.find(b"\n", self.at)
        if end < 0:
            raise ValueError("it ends inside a line")
        return self.take(end + 1 - self.at)[:-1]

    def integer(self, size: int, *, signed: bool = False) -> int:
        if size > 16:
            raise ValueError(f"an integer of {size} bytes is no datum")
        return int.from_bytes(self.take(size), "little", signed=signed)

    def digits(self) -> bytes:
        line = self.line()
        if len(line) > _MAX_DIGITS:
            raise ValueError(f"a number of {len(line)} digits is no datum")
        return line

    def decimal(self) -> int:
        return int(self.digits().removesuffix(b"L"))

    def top(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise ValueError("it uses a value that is not there")
        return self.stack[-1]

    def pop(self) -> Any:
        value = self.top()
        self.stack.pop()
        return value

    def to_mark(self) -> list[Any]:
        if not self.marks:
            raise ValueError("it uses a mark that is not there")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def put(self, index: int) -> None:
        self.memo[index] = self.top()

    def get(self, index: int) -> Any:
        if index not in self.memo:
            raise ValueError(f"it recalls value {index}, which it never kept")
        value = self.memo[index]
        return value.array if isinstance(value, PickledArray) else value

    def charge(self, count: int) -> None:
        """Count bytes that are copied out of the file's strings: a file cannot hold more."""
        self.copied += count
        if self.copied > len(self.raw):
            raise ValueError("its arrays together are larger than the file")


def _global(machine: _Machine) -> Call:
    name = b".".join((machine.line(), machine.line())).decode("ascii", "backslashreplace")
    known = CALLS.get(name.replace("numpy._core.", "numpy.core."))
    if known is None:
        raise ValueError(f"it names {name[:80]!a}, which is no plain data")
    return known


def _integer_or_bool(machine: _Machine) -> int:
    special = {b"00\n": False, b"01\n": True}.get(machine.raw[machine.at : machine.at + 3])
    value = machine.decimal()
    return value if special is None else special


def _quoted(machine: _Machine) -> str:
    line = machine.line()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise ValueError("a string is not quoted")
    if b"\\" in _ESCAPES.sub(b"", line):
        raise ValueError("a string holds an escape that Python 2 never writes")
    return line[1:-1].decode("unicode_escape")


def _escaped_text(machine: _Machine) -> str:
    text = machine.line().decode("raw_unicode_escape")
    text.encode("utf-8")  # lone surrogates could not be written down later
    return text


_VALUES: dict[bytes, Callable[[_Machine], Any]] = {
    b"N": lambda m: None,
    b"\x88": lambda m: True,
    b"\x89": lambda m: False,
    b"I": _integer_or_bool,
    b"L": _Machine.decimal,
    b"J": lambda m: m.integer(4, signed=True),
    b"K": lambda m: m.integer(1),
    b"M": lambda m: m.integer(2),
    b"\x8a": lambda m: m.integer(m.integer(1), signed=True),
    b"\x8b": lambda m: m.integer(m.integer(4), signed=True),
    b"F": lambda m: float(m.digits()),
    b"G": lambda m: struct.unpack(">d", m.take(8))[0],
    b"S": _quoted,
    b"T": lambda m: m.take(m.integer(4)).decode("latin1"),
    b"U": lambda m: m.take(m.integer(1)).decode("latin1"),
    b"V": _escaped_text,
    b"X": lambda m: m.take(m.integer(4)).decode("utf-8"),
    b"c": _global,
    b"]": lambda m: [],
    b"}": lambda m: {},
    b")": lambda m: (),
    b"l": _Machine.to_mark,
    b"d": lambda m: _fill({}, m.to_mark()),
    b"t": lambda m: tuple(m.to_mark()),
    b"\x85": lambda m: (m.pop(),),
    b"\x86": lambda m: (m.pop(), m.pop())[::-1],
    b"\x87": lambda m: (m.pop(), m.pop(), m.pop())[::-1],
    b"g": lambda m: m.get(m.decimal()),
    b"h": lambda m: m.get(m.integer(1)),
    b"j": lambda m: m.get(m.integer(4)),
}


def _fill(target: Any, pairs: list[Any]) -> dict[int | str, Any]:
    """Set key, value, key, value, … on the dict `target`."""
    keys = pairs[::2]
    if not isinstance(target, dict) or len(pairs) % 2:
        raise ValueError("it sets a key of something that is no dict")
    if not all(type(key) in (int, str) for key in keys):
        raise ValueError("a dict's key is neither a string nor an integer")
    target.update(zip(keys, pairs[1::2], strict=True))
    return target


def _extend(target: Any, values: list[Any]) -> None:
    if not isinstance(target, list):
        raise ValueError("it appends to something that is no list")
    target.extend(values)


def _set_items(machine: _Machine) -> None:
    pairs = machine.to_mark()
    _fill(machine.top(), pairs)


def _set_item(machine: _Machine) -> None:
    value, key = machine.pop(), machine.pop()
    _fill(machine.top(), [key, value])


def _append(machine: _Machine) -> None:
    value = machine.pop()
    _extend(machine.top(), [value])


def _append_all(machine: _Machine) -> None:
    values = machine.to_mark()
    _extend(machine.top(), values)


def _reduce(machine: _Machine) -> None:
    args, call = machine.pop(), machine.pop()
    if not callable(call) or not isinstance(args, tuple):
        raise ValueError("it calls something that is no function")
    machine.stack.append(call(args, machine.charge))


def _build(machine: _Machine) -> None:
    state, target = machine.pop(), machine.pop()
    if not isinstance(target, PickledArray | PickledDtype) or not isinstance(state, tuple):
        raise ValueError("it sets the state of something that is no array")
    machine.stack.append(target.build(state, machine.charge))


def _protocol(machine: _Machine) -> None:
    if (version := machine.integer(1)) > 2:
        raise ValueError(f"it has protocol {version}, Python 2 wrote 0 to 2")


_ACTIONS: dict[bytes, Callable[[_Machine], None]] = {
    b"(": lambda m: m.marks.append(len(m.stack)),
    b"a": _append,
    b"e": _append_all,
    b"s": _set_item,
    b"u": _set_items,
    b"p": lambda m: m.put(m.decimal()),
    b"q": lambda m: m.put(m.integer(1)),
    b"r": lambda m: m.put(m.integer(4)),
    b"R": _reduce,
    b"b": _build,
    b"\x80": _protocol,
}
