"""Text files line by line as people save them: plain UTF-8; what is wrong is told with its place.

A file that is no such text at all is refused at its first line. A fault of one line is that line's
own, and the lines after it are read.
"""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from zscr.errors import InputError
from zscr.regular import open_regular

LINE_LIMIT = 1 << 20  # bytes; no query is that long
_CHUNK = 1 << 16  # bytes that are read at once, at most
_SHOWN = 80  # characters of a faulty line that are shown
_BOM = b"\xef\xbb\xbf"
# The longer marks first, since UTF-32's begin as UTF-16's do.
_WIDE = {b"\xff\xfe\0\0": "UTF-32", b"\0\0\xfe\xff": "UTF-32"}
_WIDE |= {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
_PDF = b"%PDF-"  # other kinds of files that people have hold a NUL near their beginning


@dataclass(frozen=True)
class Line:
    """A line without the space around it.

    Attributes:
        where: it stands, such as "a.txt line 1".
        text: what it holds; of a faulty line the beginning, as far as it can be shown.
        fault: why it cannot be used, in one sentence, or None.
    """

    where: str
    text: str
    fault: str | None = None


class Lines:
    """The lines of a file or of an open binary stream, read as they are asked for.

    Args:
        source: a file, or an open binary stream.
        name: what messages call it.

    Raises:
        InputError: while iterating: the file cannot be opened, or its first line shows that it is
            of another kind than UTF-8 text with lines that end in LF or CRLF.
    """

    def __init__(self, source: Path | BinaryIO, name: str) -> None:
        self.source, self.name = source, name
        self._ready = 0  # lines that have been read and not been handed out
        self._never_waits = False

    @property
    def waiting(self) -> bool:
        """Whether a line can be had at once, without waiting for whoever writes the stream."""
        return self._never_waits or self._ready > 0

    def __iter__(self) -> Iterator[Line]:
        with _opened(self.source) as stream:
            self._never_waits = _is_file(stream)
            for number, (offset, raw, head) in enumerate(self._split(stream), 1):
                where = f"{self.name} line {number}"
                if number == 1:
                    _refuse_other_kinds(raw, head, where)
                yield _line(raw, where, offset)

    def _split(self, stream: BinaryIO) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield each line's offset, its bytes, and those that came with it.

        A line over the limit is yielded when it is seen to be, and the rest of it is dropped.
        """
        offset, rest, told = 0, b"", False
        while chunk := self._available(stream):
            *ended, rest = (rest + chunk).split(b"\n")
            for number, line in enumerate(ended, 1):
                self._ready = len(ended) - number
                if not told:
                    yield offset, line, chunk
                offset, told = offset + len(line) + 1, False
            if len(rest) > LINE_LIMIT:
                if not told:
                    yield offset, rest, chunk
                offset, rest, told = offset + len(rest), b"", True
        if rest and not told:
            yield offset, rest, rest

    def _available(self, stream: BinaryIO) -> bytes:
        """Return what has come, at least a byte; wait for that alone; nothing at the end."""
        read = getattr(stream, "read1", stream.read)  # an unbuffered stream's `read` does the same
        try:
            if not self._never_waits and not os.get_blocking(stream.fileno()):
                select.select([stream], [], [])  # without it, the stream would seem to have ended
            return bytes(read(_CHUNK) or b"")
        except OSError as error:
            raise InputError(
                f"{self.name} cannot be read ({error.strerror}); name another file"
            ) from error


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield where each line of a file stands, and its text.

    Raises:
        InputError: the file cannot be opened, or a line cannot be used.
    """
    for line in Lines(path, str(path)):
        if line.fault:
            raise InputError(line.fault)
        yield line.where, line.text


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a path; leave a stream to whoever opened it."""
    if not isinstance(source, Path):
        yield source
        return
    try:
        stream = open_regular(source)
    except FileNotFoundError as error:
        raise InputError(f"{source} does not exist; name another file") from error
    except OSError as error:
        raise InputError(
            f"{source} cannot be opened ({error.strerror}); check its permissions"
        ) from error
    with stream:
        yield stream


def _is_file(stream: BinaryIO) -> bool:
    """Say whether a stream is a file on a disk, or in memory, which is there as a whole."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, AttributeError):  # as io.BytesIO says that it has no number
        return True


def _refuse_other_kinds(raw: bytes, head: bytes, where: str) -> None:
    """Refuse a file by its first line, and by what came with it."""
    if mark := next((mark for mark in _WIDE if raw.startswith(mark)), None):
        kind = _WIDE[mark]
        raise InputError(f"{where} is {kind}; save it as UTF-8: iconv -f {kind.lower()} -t utf-8")
    binary = b"\0" in head and not _is_utf8(raw)
    if binary or b"\0" in raw or raw.startswith(_PDF):
        raise InputError(f"{where} shows that this is not a text file; name another")
    if _has_inner_return(raw):
        raise InputError(
            f"{where} has a carriage return inside, which may hide further queries; "
            f"end lines with LF: tr '\\r' '\\n'"
        )


def _has_inner_return(raw: bytes) -> bool:
    return b"\r" in raw.rstrip(b"\r")


def _is_utf8(raw: bytes) -> bool:
    return _fault_of(raw, "", 0) is None


def _line(raw: bytes, where: str, offset: int) -> Line:
    """Read the line that starts `offset` bytes into the file."""
    content = raw.removeprefix(_BOM) if offset == 0 else raw
    fault = _fault_of(raw, where, offset)
    if fault is None:
        return Line(where, content.decode("utf-8").strip())
    return Line(where, content[: 4 * _SHOWN].decode("utf-8", "replace")[:_SHOWN].strip(), fault)


def _fault_of(raw: bytes, where: str, offset: int) -> str | None:
    """Return why a line cannot be used, or None."""
    if len(raw) > LINE_LIMIT:
        return f"{where} is over {LINE_LIMIT} bytes; put one query on a line"
    if b"\0" in raw:
        return f"{where} holds a NUL byte, which no text does; remove it"
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return (
            f"{where} is not UTF-8 (byte 0x{raw[error.start]:02x} at offset "
            f"{offset + error.start}); save it as UTF-8, for instance: iconv -f latin1 -t utf-8"
        )
    if _has_inner_return(raw):
        return f"{where} has a carriage return inside; end lines with LF: tr '\\r' '\\n'"
    return None
