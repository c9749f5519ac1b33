"""Drawings spoilt as people's are: on other paper, by another pen, or by a camera."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

Lot = np.random.Generator
PAPERS = np.array([[240, 225, 150], [160, 200, 235], [235, 170, 180]]) / 255
PHOTO, SHEET = 900, 2048  # pixels of a side


def _levels(image: Image.Image) -> npt.NDArray[np.float64]:
    return np.asarray(image, np.float64) / 255


def _image(levels: npt.NDArray[np.float64]) -> Image.Image:
    return Image.fromarray(np.rint(255 * levels.clip(0, 1)).astype(np.uint8))


def inverted(image: Image.Image, lot: Lot) -> Image.Image:
    """White on black, as of a dark screen."""
    return ImageOps.invert(image)


def on_coloured_paper(image: Image.Image, lot: Lot) -> Image.Image:
    return _image(_levels(image) * PAPERS[lot.integers(len(PAPERS))])


def on_grey_paper(image: Image.Image, lot: Lot) -> Image.Image:
    return _image(_levels(image) * 0.59)


def in_chalk(image: Image.Image, lot: Lot) -> Image.Image:
    """Light and grainy on a dark board."""
    grain = lot.normal(0, 0.016, (*image.size[::-1], 1))
    return _image(0.16 + (1 - _levels(image)) * [0.71, 0.71, 0.64] + grain)


def in_pencil(image: Image.Image, lot: Lot) -> Image.Image:
    """A quarter as dark."""
    return _image(1 - (1 - _levels(image)) / 4)


def photographed(image: Image.Image, lot: Lot) -> Image.Image:
    """Lit from one side by a warm lamp, darker in the corners, a little blurred, noisy, JPEG."""
    large = image.resize((PHOTO, PHOTO), Image.Resampling.BICUBIC)
    levels = 0.15 + 0.85 * _levels(large.filter(ImageFilter.GaussianBlur(1.5)))
    y, x = np.mgrid[-1 : 1 : PHOTO * 1j, -1 : 1 : PHOTO * 1j]
    angle = lot.uniform(0, 2 * np.pi)
    light = 0.62 + 0.25 * (x * np.cos(angle) + y * np.sin(angle)) - 0.08 * (x * x + y * y)
    noise = lot.normal(0, 0.02, (PHOTO, PHOTO, 1))
    file = io.BytesIO()
    _image(levels * light[..., None] * [1, 0.95, 0.82] + noise).save(file, "JPEG", quality=80)
    return Image.open(file).convert("RGB")


def in_a_corner(image: Image.Image, lot: Lot) -> Image.Image:
    """Somewhere on a sheet that is eight times as wide."""
    sheet = Image.new("RGB", (SHEET, SHEET), "white")
    left, top = (int(place) for place in lot.integers(0, SHEET - max(image.size), 2))
    sheet.paste(image, (left, top))
    return sheet


SPOILT: dict[str, Callable[[Image.Image, Lot], Image.Image]] = {
    "clean": lambda image, lot: image,
    "white on black": inverted,
    "coloured paper": on_coloured_paper,
    "grey paper": on_grey_paper,
    "chalk on a board": in_chalk,
    "pencil": in_pencil,
    "photographed": photographed,
    "small on a sheet": in_a_corner,
}
