"""Opening images that come from anywhere: bounded, checked, upright, RGB."""

from __future__ import annotations

from collections.abc import Iterator
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
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise InputError(
                    f"{path} has {width}x{height} pixels, over the limit of {MAX_PIXELS}; shrink it"
                )
            image.load()
            return _upright_rgb(image)
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"{path} is far too large to decode ({error}); shrink it") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path} is not a JPEG, PNG or WebP image") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} cannot be decoded ({error}); it may be truncated") from error


def _upright_rgb(image: Image.Image) -> Image.Image:
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


def find_images(folder: Path) -> Iterator[Path]:
    """Yield every file below `folder` with an image's suffix, in a stable order."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            yield path
