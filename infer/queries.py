"""Reading caption files: one caption a line, UTF-8, streamed, nothing dropped unseen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from zscr.errors import InputError

LINE_LIMIT = 1 << 20  # bytes; no caption is that long, and a file without line ends is not text
_BOM = "\ufeff"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True)
class Caption:
    """One caption without the space around it, and its line in the file, counted from 1."""

    line: int
    text: str


@dataclass
class CaptionFile:
    """Captions to iterate over, read as they are asked for.

    Attributes:
        source: a file, or an open binary stream such as `sys.stdin.buffer`.
        skipped: empty lines passed over so far; final once the iteration has ended.

    Raises:
        InputError: while iterating, for the first line that cannot be used.
    """

    source: Path | BinaryIO
    skipped: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """What messages call it: the path, or the stream's name."""
        is_path = isinstance(self.source, Path)
        return str(self.source if is_path else getattr(self.source, "name", "the input"))

    def __iter__(self) -> Iterator[Caption]:
        self.skipped = 0
        with _opened(self.source) as stream:
            offset, number = 0, 0
            while raw := stream.readline(LINE_LIMIT + 1):
                number += 1
                text = _decode(raw, f"{self.name} line {number}", offset).strip()
                offset += len(raw)
                if text:
                    yield Caption(number, text)
                else:
                    self.skipped += 1


def read_captions(source: Path | BinaryIO) -> CaptionFile:
    """Prepare to read a caption file: one caption a line, UTF-8, empty lines skipped and counted.

    Raises:
        InputError: the file is missing or a folder. What its lines hold is checked as they are
            read: UTF-8 without NUL, line ends LF or CRLF, at most 1 MiB a line.
    """
    if isinstance(source, Path):
        if source.is_dir():
            raise InputError(f"{source} is a folder; name a text file with one caption a line")
        if not source.exists():
            raise InputError(f"{source} does not exist; name a text file with one caption a line")
    return CaptionFile(source)


@contextmanager
def _opened(source: Path | BinaryIO) -> Iterator[BinaryIO]:
    """Open a path; leave a stream to whoever opened it."""
    if not isinstance(source, Path):
        yield source
        return
    try:
        stream = source.open("rb")
    except OSError as error:
        raise InputError(
            f"{source} cannot be opened ({error.strerror}); check its permissions"
        ) from error
    with stream:
        yield stream


def _decode(raw: bytes, where: str, offset: int) -> str:
    """Return the text of the line that starts `offset` bytes into the file."""
    if len(raw) > LINE_LIMIT:
        raise InputError(f"{where} is over {LINE_LIMIT} bytes; put one caption on a line")
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
            f"{where} has a carriage return inside, which may hide further captions; "
            f"end lines with LF: tr '\\r' '\\n'"
        )
    return text.removeprefix(_BOM) if offset == 0 else text
