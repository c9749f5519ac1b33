"""Text files line by line as people save them: plain UTF-8, or refused with place and fix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zscr.errors import InputError
from zscr.regular import open_regular

LINE_LIMIT = 1 << 20  # bytes; no query is that long, and a file without line ends is not text
_BOM = "\ufeff"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def read_lines(source: Path | BinaryIO, name: str) -> Iterator[tuple[str, str]]:
    """Yield each line without the space around it, and where it stands, such as "a.txt line 1".

    Lines are read as they are asked for.

    Args:
        source: a file, or an open binary stream.
        name: what messages call it.

    Raises:
        InputError: the file cannot be opened, or a line is not UTF-8, holds a NUL byte or a
            carriage return inside, or is over 1 MiB.
    """
    with _opened(source) as stream:
        offset, number = 0, 0
        while raw := stream.readline(LINE_LIMIT + 1):
            number += 1
            where = f"{name} line {number}"
            yield where, _decode(raw, where, offset).strip()
            offset += len(raw)


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a path; leave a stream to whoever opened it."""
    if not isinstance(source, Path):
        yield source
        return
    try:
        stream = open_regular(source)
    except OSError as error:
        raise InputError(
            f"{source} cannot be opened ({error.strerror}); check its permissions"
        ) from error
    with stream:
        yield stream


def _decode(raw: bytes, where: str, offset: int) -> str:
    """Return the text of the line that starts `offset` bytes into the file."""
    if len(raw) > LINE_LIMIT:
        raise InputError(f"{where} is over {LINE_LIMIT} bytes; put one query on a line")
    if offset == 0 and raw.startswith(_UTF16_BOMS):
        raise InputError(f"{where} is UTF-16; save it as UTF-8: iconv -f utf-16 -t utf-8")
    if b"\0" in raw:
        raise InputError(f"{where} holds a NUL byte, so this is not a text file; name another")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{where} is not UTF-8 (byte 0x{raw[error.start]:02x} at offset "
            f"{offset + error.start}); save it as UTF-8, for instance: iconv -f latin1 -t utf-8"
        ) from error
    if "\r" in text.rstrip("\r\n"):
        raise InputError(
            f"{where} has a carriage return inside, which may hide further queries; "
            f"end lines with LF: tr '\\r' '\\n'"
        )
    return text.removeprefix(_BOM) if offset == 0 else text
