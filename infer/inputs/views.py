"""Other views of an image: training sees the same thing turned, moved, or drawn.

A view is a function of the image's pixels alone, so rows of it can be cached as those of the
image itself are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter, ImageOps

from zscr.infer.inputs.edges import edge_map

SIDE = 256  # pixels of the longer side, at which affine views and edge maps are made
Array = npt.NDArray[np.float64]
_SCALES, _DEGREES, _SHIFT = (0.8, 1.15), 12, 20  # of affine views; the shift in pixels of `SIDE`


def flipped(image: Image.Image) -> Image.Image:
    """Return an RGB image mirrored left to right."""
    return ImageOps.mirror(image)


def affine(image: Image.Image, number: int) -> Image.Image:
    """Return a drawing scaled, turned and shifted a little, on white, at most `SIDE` pixels long.

    Half of them have their strokes thickened, half are mirrored. What is drawn by lot is decided by
    the pixels and the `number`: the generator PCG64 starts from the first 8 bytes of the SHA-256 of
    "number width height " and the RGB bytes of the reduced image.
    """
    image = _reduced(image)
    width, height = image.size
    content = f"{number} {width} {height} ".encode() + image.tobytes()
    lot = np.random.default_rng(int.from_bytes(hashlib.sha256(content).digest()[:8], "big"))
    if lot.random() < 0.5:
        image = image.filter(ImageFilter.MinFilter(3))
    if lot.random() < 0.5:
        image = ImageOps.mirror(image)
    scale, degrees = lot.uniform(*_SCALES), lot.uniform(-_DEGREES, _DEGREES)
    shift = lot.uniform(-_SHIFT, _SHIFT, 2)
    return _moved(image, scale, np.deg2rad(degrees), shift)


def _moved(image: Image.Image, scale: float, angle: float, shift: Array) -> Image.Image:
    """Scale and turn an image about its centre, then shift it.

    Pillow asks where an output pixel p comes from: with centre c, turning by R and scaling by s,
    p = s R (q - c) + c + shift, hence q = R' (p - c - shift) / s + c.
    """
    centre = np.array(image.size) / 2
    back = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) / scale
    rest = centre - back @ (centre + shift)
    coefficients = (*back[0], rest[0], *back[1], rest[1])
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        tuple(map(float, coefficients)),
        Image.Resampling.BILINEAR,
        fillcolor="white",
    )


def edges(image: Image.Image) -> Image.Image:
    """Return a photo's edge map as a drawing: thin dark strokes on white, at most `SIDE` long."""
    return edge_map(_reduced(image))


def _reduced(image: Image.Image) -> Image.Image:
    """Return an image with its longer side at most `SIDE` pixels."""
    small = image.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=None)
    return small


EDGES = "edges"
# The views by name, from upright RGB to RGB.
VIEWS: Mapping[str, Callable[[Image.Image], Image.Image]] = {
    "flipped": flipped,
    "affine-1": partial(affine, number=1),
    "affine-2": partial(affine, number=2),
    EDGES: edges,
}
