"""The formats of images that are read, each told by its first bytes and opened by its decoder.

`PIL.Image.open` is not used: it hides a decoder's reason, tries decoders that nobody fuzzes, and
its limit of pixels belongs to the process, not to us.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from zscr.data.decoding.orientation import ORIENTATION
from zscr.data.decoding.suffixes import OF_FORMAT
from zscr.errors import InputError

_HEAD = 128  # bytes that tell a format; the brands of an AVIF or HEIC file are among them


@dataclass(frozen=True)
class Format:
    """One format of images.

    Attributes:
        name: as it is spoken of.
        head: what its files begin with.
        cost: bytes a pixel that decoding it to RGB takes at its peak, copies included (measured).
        open: reads an image's header; its pixels are decoded when it is loaded.
    """

    name: str
    head: re.Pattern[bytes]
    cost: int
    open: Callable[[IO[bytes]], Image.Image]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Of its files, in lower case."""
        return OF_FORMAT[self.name]


def _pillow(name: str) -> Callable[[IO[bytes]], Image.Image]:
    """Return what opens an image by Pillow's decoder of that name."""

    def open_by(file: IO[bytes]) -> Image.Image:
        module = import_module(f"PIL.{name}ImagePlugin")
        image: Image.Image = getattr(module, f"{name}ImageFile")(file)
        return image

    return open_by


class _Jpeg(JpegImageFile):
    """A JPEG whose EXIF block is left unread: only its orientation matters (see `orientation`).

    Files of several JPEGs (MPO, as many phones make) are read as their first, which is the photo.
    """

    def _read_dpi_from_exif(self) -> None:
        pass  # Pillow's parser raises and warns about damaged blocks


def _tiff(file: IO[bytes]) -> Image.Image:
    """Open a TIFF with its orientation as its only EXIF tag: Pillow turns the image by that."""
    image = TiffImageFile(file)
    if ORIENTATION in image.tag_v2:
        image.info.pop("xmp", None)  # says it again, or otherwise: the tag decides, as in EXIF
    exif = image.getexif()
    for tag in [*exif]:
        if tag != ORIENTATION:
            del exif[tag]  # or directories that it points to are parsed, damaged ones, too
    return image


def _heic(file: IO[bytes]) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise InputError(
            f"{file.name} is a HEIC image, which needs an extra: pip install 'zscr[heic]'"
        ) from error
    image: Image.Image = HeifImageFile(file)
    return image


def _pattern(head: bytes) -> re.Pattern[bytes]:
    return re.compile(head, re.DOTALL)


def _brand(brand: bytes) -> re.Pattern[bytes]:
    """Match an ISO media file that names a brand as its own or among those it is like."""
    return _pattern(b"....ftyp(?:%b|....(?:....)*?%b)" % (brand, brand))


FORMATS = (
    Format("JPEG", _pattern(b"\xff\xd8\xff"), 13, _Jpeg),
    Format("PNG", _pattern(b"\x89PNG\r\n\x1a\n"), 13, _pillow("Png")),
    Format("WebP", _pattern(b"RIFF....WEBP"), 19, _pillow("WebP")),
    Format("GIF", _pattern(b"GIF8[79]a"), 13, _pillow("Gif")),
    Format("TIFF", _pattern(rb"II[*+]\0|MM\0[*+]"), 16, _tiff),
    Format("BMP", _pattern(b"BM"), 13, _pillow("Bmp")),
    Format("AVIF", _brand(b"avi[fs]"), 14, _pillow("Avif")),
    Format(
        "JPEG 2000",
        _pattern(rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n"),
        22,
        _pillow("Jpeg2K"),
    ),
    Format("HEIC", _brand(b"(?:he[iv]|mif1|msf1)"), 14, _heic),
)
SPOKEN = ", ".join(one.name for one in FORMATS[:-1]) + f" or {FORMATS[-1].name}"  # for messages


def format_of(path: Path, file: IO[bytes]) -> Format:
    """Tell an open file's format by its content, whatever its name says.

    Raises:
        InputError: it is empty, or none of `FORMATS`.
    """
    head = file.read(_HEAD)
    file.seek(0)
    if not head:
        raise InputError(f"{path} is empty")
    for one in FORMATS:
        if one.head.match(head):
            return one
    raise InputError(f"{path} is not a {SPOKEN} image")


def coefficients(image: Image.Image) -> int:
    """Return the bytes that libjpeg holds of a progressive JPEG beside its pixels.

    It keeps every coefficient of the whole image, 2 bytes each, at whatever size it is decoded.
    """
    if not isinstance(image, JpegImageFile) or "progressive" not in image.info:
        return 0
    layers: list[Any] = image.layer  # of each component: id, and samples across and down
    most = max(1, max(across * down for _, across, down, _ in layers))
    samples = sum(across * down for _, across, down, _ in layers)
    return int(2 * image.width * image.height * samples / most)
