"""Opening images that come from anywhere: bounded, checked, upright, RGB."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from zscr.data.decoding.formats import format_of
from zscr.data.decoding.loading import MAX_PIXELS as MAX_PIXELS
from zscr.data.decoding.loading import Loaded, load_file, load_open
from zscr.data.decoding.modes import Under, over_white, to_rgb
from zscr.data.decoding.orientation import Box, orientation, turned
from zscr.errors import InputError, ZscrError
from zscr.memory import DECODING

_REASON = 200  # characters of a decoder's reason that are passed on


@dataclass(frozen=True)
class Decoded:
    """An image, which may be decoded at a fraction of its size.

    Attributes:
        image: upright RGB.
        size: width and height of the whole, upright.
        box: the part of `image` that the whole fills: all of it, but for a fraction of a pixel.
    """

    image: Image.Image
    size: tuple[int, int]
    box: Box

    def resize(self, size: tuple[int, int], resample: Image.Resampling) -> Image.Image:
        """Return it at another size, laid out as if it had been decoded whole."""
        return self.image.resize(size, resample, box=self.box)


def whole(image: Image.Image) -> Decoded:
    """Return an upright RGB image as one that was decoded at its size."""
    return Decoded(image, image.size, (0, 0, *image.size))


@contextmanager
def decoded(
    value: Path | str | Image.Image, *, least: int | None = None, under: Under = over_white
) -> Iterator[Decoded]:
    """Decode a file, or take an open image, as upright RGB; hold the memory that this takes.

    Args:
        value: a file, or an open image, which stays what it is.
        least: pixels that a JPEG's shorter side must keep: libjpeg decodes it at the smallest
            half, quarter or eighth that has so many, in a fraction of memory and time. Ask for
            twice what is needed: it averages over blocks, and only the resizing that follows
            filters as it would filter the whole.
        under: what transparency is laid over.

    Raises:
        InputError: missing, of no format that is read, damaged, over 256 million pixels, or more
            than the memory that may be used.
    """
    name = name_of(value)
    with ExitStack() as held:
        with _faults_of(name):  # whatever a decoder raises about strangers' bytes, and only that
            if isinstance(value, Image.Image):
                loaded = held.enter_context(load_open(value, name))
            else:
                loaded = held.enter_context(load_file(Path(value), least))
        with _faults_of(name, OSError, ValueError, MemoryError):  # Pillow's, about a palette
            found = _upright(loaded, under)
        if found.image is value:
            found = Decoded(found.image.copy(), found.size, found.box)
        yield found


def open_image(
    path: Path | str | Image.Image, *, least: int | None = None, under: Under = over_white
) -> Image.Image:
    """Decode an image as upright RGB, transparency laid over white or what is asked; see `decoded`.

    Raises:
        InputError: as `decoded`.
    """
    with decoded(path, least=least, under=under) as found:
        return found.image


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return an open image as upright RGB, transparency laid over white; it stays what it is.

    Raises:
        InputError: it is truncated, damaged, closed or too large.
    """
    return open_image(image)


def read_image(stream: BinaryIO, name: str) -> Image.Image:
    """Read an image from a stream that cannot be read twice; it is decoded when it is used.

    Raises:
        InputError: it is no image, or holds more bytes than the memory that may be used.
    """
    content = stream.read(DECODING.limit + 1)
    DECODING.check(len(content), name)
    file = io.BytesIO(content)
    with _faults_of(name):
        return format_of(Path(name), file).open(file)


def fault(path: Path) -> str | None:
    """Return why an image cannot be used, or None; all of it is read, but decoded small."""
    try:
        open_image(path, least=1)
    except InputError as error:
        return str(error)
    return None


def _upright(loaded: Loaded, under: Under) -> Decoded:
    how = orientation(loaded.image.info)
    image, box = turned(to_rgb(loaded.image, loaded.raw, under), loaded.box, how)
    return Decoded(image, loaded.size[::-1] if how >= 5 else loaded.size, box)


def name_of(value: Path | str | Image.Image) -> str:
    """Return what messages call an image: its path, where it has one."""
    if isinstance(value, Image.Image):
        return str(getattr(value, "filename", "")) or "an image that is open already"
    return str(Path(value))


@contextmanager
def _faults_of(name: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turn what Pillow raises about an image into one sentence; without `kinds`, whatever it is.

    Decoders meet hostile bytes with `struct.error`, `OverflowError`, `RecursionError` and more.
    """
    try:
        yield
    except ZscrError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist") from error
    except Exception as error:
        if kinds and not isinstance(error, kinds):
            raise
        if isinstance(error, OSError) and error.errno:
            raise InputError(f"{name} cannot be read ({error.strerror})") from error
        reason = " ".join(str(error).split())[:_REASON] or type(error).__name__
        raise InputError(f"{name} cannot be decoded ({reason}); mend it or leave it out") from error
