"""Any mode of Pillow as RGB of 8 bits: numbers scaled by their range, transparency on a colour."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]
Under = Callable[[Image.Image], str]  # from an RGBA layer to the colour of what it lies on

_USUAL = (1.0, 255.0, 65535.0)  # what white is, where nothing says it
_FILLED = 16  # a range is the image's own if its brightest pixel is above this fraction of it
_PART = 1 << 18  # pixels that are scaled at once, in numbers of 8 bytes


def over_white(layer: Image.Image) -> str:
    """Say that a transparent layer lies on white."""
    return "white"


def to_rgb(image: Image.Image, raw: str = "", under: Under = over_white) -> Image.Image:
    """Return a loaded image as RGB; it may be the image itself.

    16-bit grey is scaled by its range, 65535. Numbers of 32 bits (modes I and F) say no range:
    it is the smallest of 1 (F only), 255 and 65535 that holds all of them and that they fill to a
    sixteenth, or else their own, from the least to the greatest. NaN is black.

    Args:
        image: of any mode, loaded.
        raw: how its file stores a pixel, Pillow's raw mode, such as `I;12`.
        under: what a transparent image is laid over.

    Raises:
        ValueError: it holds no finite number, or Pillow cannot convert its mode.
    """
    if image.mode.startswith("I;16"):
        image = _with_mask(image, _by_table(image, raw))
    elif image.mode in ("I", "F"):
        image = _scaled(image, raw)
    elif image.mode == "LAB":
        image = _from_lab(image)
    elif image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return _laid_over(under, _with_alpha(image, raw))
    return image if image.mode == "RGB" else image.convert("RGB")


def _by_table(image: Image.Image, raw: str) -> Image.Image:
    """Scale 16-bit grey, or grey of 12 bits in as many, by a table of what each number becomes."""
    white = 4095 if raw.startswith("I;12") else 65535
    table = np.rint(np.arange(65536) * (255 / white)).clip(0, 255).astype(np.uint8)
    if _white_is_zero(image):
        table = 255 - table
    return Image.fromarray(table[np.asarray(image)])


def _with_mask(image: Image.Image, grey: Image.Image) -> Image.Image:
    """Give a scaled image the transparency of the original, which names a number of 16 bits."""
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(np.asarray(image) == clear, 0, 255).astype("u1")))
    return grey


def _scaled(image: Image.Image, raw: str) -> Image.Image:
    numbers = np.asarray(image)
    if raw.startswith("I;32") and not raw.endswith("S"):
        numbers = numbers.view(np.uint32)  # Pillow holds them as signed ones
    rows = max(1, _PART // max(1, image.width))
    parts = [numbers[start : start + rows] for start in range(0, len(numbers), rows)]
    finite = (part[np.isfinite(part)] for part in parts)
    ends = [(float(part.min()), float(part.max())) for part in finite if part.size]
    if not ends:
        raise ValueError("it holds no finite number")
    least, most = min(low for low, _ in ends), max(high for _, high in ends)
    black, white = _range(least, most, whole=image.mode == "I")
    if _white_is_zero(image):
        black, white = white, black
    grey = np.empty(numbers.shape, np.uint8)
    for number, part in enumerate(parts):
        share = (part.astype(np.float64) - black) / (white - black)
        shades = np.rint(np.nan_to_num(share.clip(0, 1)) * 255)
        grey[number * rows : number * rows + len(part)] = shades
    return Image.fromarray(grey)


def _range(least: float, most: float, *, whole: bool) -> tuple[float, float]:
    """Return which numbers are black and white."""
    for white in _USUAL[whole:]:
        if least >= 0 and white / _FILLED <= most <= white:
            return 0, white
    if least == most:  # one shade, with no other to compare it with
        return 0, next((white for white in _USUAL if 0 <= most <= white), most * 2 or 1)
    return least, most


def _white_is_zero(image: Image.Image) -> bool:
    """Say whether a TIFF counts darkness: Pillow turns 8 bits over, but no wider numbers."""
    tags = getattr(image, "tag_v2", {})
    return bool(tags.get(262) == 0)


def _from_lab(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    found = ImageCms.profileToProfile(image, lab, rgb, outputMode="RGB")
    assert found is not None, "it is not done in place"
    return found


def _with_alpha(image: Image.Image, raw: str) -> Image.Image:
    """Return an image as RGBA, whose file may name one colour, or a table, that is transparent."""
    clear = image.info.get("transparency")
    if image.mode == "RGB" and isinstance(clear, tuple) and "16" in raw:
        image = image.copy()  # the colour is in 16 bits, the pixels are not any more
        image.info["transparency"] = tuple(value >> 8 for value in clear)
    elif image.mode == "L" and isinstance(clear, int) and raw in ("L;2", "L;4"):
        image = image.copy()
        image.info["transparency"] = clear * (255 // ((1 << int(raw[-1])) - 1))
    return image if image.mode == "RGBA" else image.convert("RGBA")


def _laid_over(under: Under, layer: Image.Image) -> Image.Image:
    paper = Image.new("RGB", layer.size, under(layer))
    paper.paste(layer, mask=layer)
    return paper
