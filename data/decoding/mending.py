"""Files whose pixels are whole but which Pillow refuses: bytes that it reads instead.

Each function returns versions of a file, which are believed if all of them decode to the same.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_END = b"\xff\xd9"  # of a JPEG
_OTHER = bytes(range(64, 192, 2))  # would be read as pixels, if any were missing


def with_end(jpeg: bytes) -> tuple[bytes, ...]:
    """Give a JPEG the end marker that it lacks, once with other bytes before it.

    Where pixels are missing, the two versions differ.
    """
    whole = jpeg.rstrip(b"\xff")
    return whole + _END, whole + _OTHER + _END


def without_texts(png: bytes) -> tuple[bytes, ...]:
    """Take from a PNG what is not needed to show it, but for a sound EXIF block.

    Pillow refuses long texts and profiles, and damaged ones, though none of them is looked at.
    """
    return (b"".join(_needed(png)),)


MENDERS = {"JPEG": with_end, "PNG": without_texts}  # by the name of a format


def _needed(png: bytes) -> Iterator[bytes]:
    """Yield a PNG's signature and the chunks that make its pixels, and a sound EXIF block."""
    yield png[:8]
    start = 8
    while start + 8 <= len(png):
        length, kind = struct.unpack_from(">I4s", png, start)
        end = start + 12 + length
        sound = png[end - 4 : end] == struct.pack(">I", zlib.crc32(png[start + 4 : end - 4]))
        if kind[:1].isupper() or kind == b"tRNS" or (kind == b"eXIf" and sound):
            yield png[start:end]
        start = end
