"""How a camera was held, read from an image's metadata: nothing else of it is parsed."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any

from PIL import Image

Box = tuple[float, float, float, float]  # left, top, right, bottom

ORIENTATION = 0x0112  # the tag
_WHOLE = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i"}  # TIFF's types of whole numbers
_XMP = re.compile(rb'tiff:Orientation(?:="|>)([1-8])')
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation(info: Mapping[Any, Any]) -> int:
    """Return the orientation 1 to 8 that an image's EXIF block or else its XMP names.

    Damaged blocks name none: 1, the image as it lies. (Pillow turns TIFF images itself.)

    Args:
        info: of a Pillow image that is loaded, since PNG may hold it behind the pixels.
    """
    exif = info.get("exif")
    if exif is None:
        exif = _unhexed(info.get("Raw profile type exif"))  # as ImageMagick writes it into PNG
    found = _of_exif(exif) if isinstance(exif, bytes) else 0
    return found or _of_xmp(info.get("XML:com.adobe.xmp") or info.get("xmp")) or 1


def turned(image: Image.Image, box: Box, how: int) -> tuple[Image.Image, Box]:
    """Return an image upright that was taken in orientation `how`, and where a box of it lies."""
    if how not in _TURNS:
        return image, box
    (width, height), (left, top, right, bottom) = image.size, box
    if how in (2, 3, 7, 8):  # mirrored from left to right, before rows may become columns
        left, right = width - right, width - left
    if how in (3, 4, 6, 7):
        top, bottom = height - bottom, height - top
    if how >= 5:
        left, top, right, bottom = top, left, bottom, right
    return image.transpose(_TURNS[how]), (left, top, right, bottom)


def _of_exif(block: bytes) -> int:
    """Find the orientation in the first directory of an EXIF block, which is a small TIFF file."""
    start = 6 if block.startswith(b"Exif\0\0") else 0
    tiff = block[start:]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None or len(tiff) < 10:
        return 0
    [directory] = struct.unpack_from(f"{order}I", tiff, 4)
    for entry in range(directory + 2, _end(tiff, order, directory), 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", tiff, entry)
        if tag == ORIENTATION and kind in _WHOLE and count == 1:
            [value] = struct.unpack_from(order + _WHOLE[kind], tiff, entry + 8)
            return int(value) if value in range(1, 9) else 0
    return 0


def _end(tiff: bytes, order: str, directory: int) -> int:
    """Return where a directory's entries of 12 bytes end, those that are cut off left out."""
    if directory + 2 > len(tiff):
        return 0
    [count] = struct.unpack_from(f"{order}H", tiff, directory)
    return directory + 2 + 12 * min(int(count), (len(tiff) - directory - 2) // 12)


def _of_xmp(packet: object) -> int:
    content = packet.encode("utf-8", "replace") if isinstance(packet, str) else packet
    found = _XMP.search(content) if isinstance(content, bytes) else None
    return int(found[1]) if found else 0


def _unhexed(profile: object) -> bytes | None:
    """Return the bytes of a raw profile: a name, a length, then lines of hexadecimal digits."""
    if not isinstance(profile, str):
        return None
    digits = re.sub(r"\s", "", "".join(profile.split("\n")[3:]))
    if not re.fullmatch(r"(?:[0-9a-fA-F]{2})*", digits):
        return None
    return bytes.fromhex(digits)
