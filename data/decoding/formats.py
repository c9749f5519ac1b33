"""The formats of images that are read, each told by its first bytes and opened by its decoder.

`PIL.Image.open` is not used: it hides a decoder's reason, tries decoders that nobody fuzzes, and
its limit of pixels belongs to the process, not to us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from zscr.data.decoding.orientation import ORIENTATION
from zscr.errors import InputError

_HEAD = 128  # bytes that tell a format; the brands of an AVIF or HEIC file are among them


@dataclass(frozen=True)
class Format:
    """One format of images.

    Attributes:
        name: as it is spoken of.
        suffixes: of its files, in lower case.
        head: what its files begin with.
        plugin: where Pillow's decoder of it is.
        cost: bytes a pixel that decoding it to RGB takes at its peak, copies included (measured).
    """

    name: str
    suffixes: tuple[str, ...]
    head: re.Pattern[bytes]
    plugin: str
    cost: int

    def open(self, file: IO[bytes]) -> Image.Image:
        """Read an image's header; its pixels are decoded when it is loaded."""
        if self.name == "JPEG":
            return _Jpeg(file)
        if self.name == "HEIC":
            return _heic(file)
        if self.name == "TIFF":
            return _tiff(file)
        decoder = getattr(import_module(f"PIL.{self.plugin}ImagePlugin"), f"{self.plugin}ImageFile")
        image: Image.Image = decoder(file)
        return image


class _Jpeg(JpegImageFile):
    """A JPEG whose EXIF block is left unread: only its orientation matters (see `orientation`).

    Files of several JPEGs (MPO, as many phones make) are read as their first, which is the photo.
    """

    def _read_dpi_from_exif(self) -> None:
        pass  # Pillow's parser raises and warns about damaged blocks


def _tiff(file: IO[bytes]) -> Image.Image:
    """Open a TIFF with its orientation as its only EXIF tag: Pillow turns the image by that."""
    image = TiffImageFile(file)
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


def _format(name: str, suffixes: str, head: bytes, plugin: str, cost: int) -> Format:
    return Format(name, tuple(suffixes.split()), re.compile(head, re.DOTALL), plugin, cost)


_BOX = rb"....ftyp(?:%b|....(?:....)*?%b)"  # an ISO file with a brand, the major one or another
FORMATS = (
    _format("JPEG", ".jpg .jpeg .jpe .jfif .mpo", rb"\xff\xd8\xff", "Jpeg", 13),
    _format("PNG", ".png .apng", rb"\x89PNG\r\n\x1a\n", "Png", 13),
    _format("WebP", ".webp", rb"RIFF....WEBP", "WebP", 19),
    _format("GIF", ".gif", rb"GIF8[79]a", "Gif", 13),
    _format("TIFF", ".tif .tiff", rb"II[*+]\0|MM\0[*+]", "Tiff", 16),
    _format("BMP", ".bmp .dib", rb"BM", "Bmp", 13),
    _format("AVIF", ".avif", _BOX.replace(b"%b", rb"avi[fs]"), "Avif", 14),
    _format(
        "JPEG 2000",
        ".jp2 .j2k .jpx .jpf .j2c .jpc",
        rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
        "Jpeg2K",
        22,
    ),
    _format("HEIC", ".heic .heif .hif", _BOX.replace(b"%b", rb"(?:he[iv]|mif1|msf1)"), "", 20),
)
SUFFIXES = tuple(suffix for one in FORMATS for suffix in one.suffixes)
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
