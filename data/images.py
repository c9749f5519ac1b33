"""Opening images that come from anywhere: bounded, checked, upright, RGB."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image, ImageOps, UnidentifiedImageError

from zscr.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP")  # the formats whose Pillow decoders are fuzzed and common
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
MAX_PIXELS = 64_000_000  # refused before decoding: 64 Mpx is 192 MB of RGB


def open_image(path: Path) -> Image.Image:
    """Decode an image as upright RGB, transparency laid over white.

    Raises:
        InputError: missing, not JPEG/PNG/WebP, truncated, damaged or over 64 million pixels.
    """
    with _faults_of(str(path)), Image.open(path, formats=FORMATS) as image:
        return upright_rgb(image)


def upright_rgb(image: Image.Image) -> Image.Image:
    """Return an open image as upright RGB, transparency laid over white; it stays what it is.

    Raises:
        InputError: it is truncated, damaged, closed or over 64 million pixels.
    """
    name = str(getattr(image, "filename", "")) or "an image that is open already"
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name} has {width}x{height} pixels, over the limit of {MAX_PIXELS}; shrink it"
        )
    with _faults_of(name):
        image.load()
        return _converted(image)


@contextmanager
def _faults_of(name: str) -> Iterator[None]:
    """Turn what Pillow raises about an image into one sentence."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{name} does not exist") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{name} is far too large to decode ({error}); shrink it") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{name} is not a JPEG, PNG or WebP image") from error
    except (OSError, SyntaxError, ValueError, AssertionError) as error:
        # the last is what Pillow says of an image whose file was closed before it was loaded
        raise InputError(
            f"{name} cannot be decoded ({error or 'it is closed'}); it may be truncated"
        ) from error


def _converted(image: Image.Image) -> Image.Image:
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info:
        layer = upright.convert("RGBA")
        upright = Image.new("RGB", layer.size, "white")
        upright.paste(layer, mask=layer.getchannel("A"))
    return upright.convert("RGB")


def fault(path: Path) -> str | None:
    """Return why an image cannot be used, or None."""
    try:
        open_image(path)
    except InputError as error:
        return str(error)
    return None
