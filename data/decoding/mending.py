"""Files whose pixels are whole but which Pillow refuses: bytes that it reads instead."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_END = b"\xff\xd9"  # of a JPEG
_OTHER = bytes(range(64, 192, 2))  # would be read as pixels, if any were missing


def mended(name: str, content: bytes) -> tuple[bytes, ...]:
    """Return versions of a damaged file of format `name`, which must all decode to the same.

    A JPEG that lacks its end marker gets one, once with other bytes before it: where pixels are
    missing the versions differ. A PNG loses what is not needed to show it: Pillow refuses long
    texts and profiles, and damaged ones, though none of them is looked at.
    """
    if name == "JPEG":
        whole = content.rstrip(b"\xff")
        return whole + _END, whole + _OTHER + _END
    if name == "PNG":
        kept = b"".join(_kept(content))
        return (kept,) if len(kept) < len(content) else ()
    return ()


def _kept(png: bytes) -> Iterator[bytes]:
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
