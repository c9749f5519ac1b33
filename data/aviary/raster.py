"""Raster: coloured outlines in image coordinates to anti-aliased layers of an image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from zscr.data.aviary.curves import Curve

SIDE = 128  # pixels of an image's side
OVER = 3  # drawn this many times larger, then averaged
_JOINTED = 5  # pixels of the large drawing; joints of narrower lines vanish in the average

RGB = tuple[int, int, int]
Layer = npt.NDArray[
    np.float32
]  # (SIDE, SIDE, 3) in 0..1; with alpha (SIDE, SIDE, 4), premultiplied


@dataclass(frozen=True)
class Mark:
    """One outline (N, 2) filled with a colour, or a line where `width` (in images) is above 0."""

    points: Curve
    colour: RGB
    width: float = 0.0


def shaded(colour: RGB, gain: float) -> RGB:
    """Return `colour` lighter or darker."""
    r, g, b = (min(255, int(gain * channel)) for channel in colour)
    return r, g, b


def varied(colour: RGB, rng: np.random.Generator) -> RGB:
    """Return one image's own shade of `colour`."""
    r, g, b = colour + rng.normal(0, 7, 3)
    return shaded((max(0, int(r)), max(0, int(g)), max(0, int(b))), rng.uniform(0.88, 1.1))


def pixels(curve: Curve, scale: float) -> list[tuple[float, float]]:
    """Return image coordinates as Pillow's list of points."""
    return list(map(tuple, (curve * scale).tolist()))


def draw_line(
    draw: ImageDraw.ImageDraw,
    points: list[tuple[float, float]],
    colour: int | tuple[int, int, int, int],
    width: int,
) -> None:
    """Draw a line at least 2 pixels wide; only wide ones need the costly round joints."""
    draw.line(points, colour, max(2, width), joint="curve" if width > _JOINTED else None)


def draw_layer(marks: Iterable[Mark]) -> Layer:
    """Draw the marks in order on a transparent layer."""
    scale = SIDE * OVER
    image = Image.new("RGBA", (scale, scale))
    draw = ImageDraw.Draw(image)
    for mark in marks:
        points = pixels(mark.points, scale)
        if mark.width:
            draw_line(draw, points, (*mark.colour, 255), round(mark.width * scale))
        else:
            draw.polygon(points, (*mark.colour, 255))
    layer: Layer = np.asarray(image.reduce(OVER), dtype=np.float32) / np.float32(255)
    layer[..., :3] *= layer[..., 3:]
    return layer


def over(below: Layer, above: Layer) -> Layer:
    """Composite a premultiplied layer onto an opaque image."""
    return below * (1 - above[..., 3:]) + above[..., :3]


def noise(rng: np.random.Generator, rows: int, columns: int) -> Layer:
    """Return smooth noise (SIDE, SIDE, 1) around 0 with about `rows` x `columns` bumps."""
    coarse = rng.standard_normal((rows, columns)).astype(np.float32)
    image = Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float32)[..., None]
