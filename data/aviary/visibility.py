"""Visibility: which traits of a bird its image shows, so that captions claim no others."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from zscr.data.aviary.geometry import Bird, Part
from zscr.data.aviary.props import cover
from zscr.data.aviary.raster import SIDE, pixels
from zscr.data.aviary.scene import Scene

_SHOWN = ("crown", "back", "belly", "wing", "pattern", "bill", "tail")
_SHARE = {"bill": 0.85, "tail": 0.8}  # a shape needs nearly all of its outline, a colour a part
_COLOUR_SHARE = 0.5
_PIXELS = {"pattern": 14, "bill": 12, "back": 40, "belly": 40}
_FEWEST_PIXELS = 30
_MARGIN = SIDE // 2  # pixels around the image in which parts out of the frame are counted


def visible_traits(bird: Bird, scene: Scene, pattern: str) -> frozenset[str]:
    """Return the names of the traits that the image shows.

    A part counts when enough of what the pose shows of it is inside the frame and not covered.
    The size shows only beside a perch or the ground; that a bird is plain shows where both of the
    places that could be patterned do.
    """
    canvas = _drawn(bird)
    whole = _areas(canvas)
    _hide(canvas, bird, scene)
    inside = (_MARGIN, _MARGIN, _MARGIN + SIDE, _MARGIN + SIDE)
    left = _areas(canvas.crop(inside))
    shown = {
        name
        for i, name in enumerate(_SHOWN, start=1)
        if left[i]
        >= max(_PIXELS.get(name, _FEWEST_PIXELS), _SHARE.get(name, _COLOUR_SHARE) * whole[i])
    }
    if pattern == "plain" and {"belly", "wing"} <= shown:
        shown.add("pattern")
    return frozenset(shown if scene.pose == "flying" else shown | {"size"})


def _drawn(bird: Bird) -> Image.Image:
    """Return the image's frame and margin with each trait's number where it is seen."""
    canvas = Image.new("L", (SIDE + 2 * _MARGIN,) * 2)
    draw = ImageDraw.Draw(canvas)
    for part in bird.parts:
        if part.name != "seam":
            _fill(draw, part, _SHOWN.index(part.name) + 1 if part.name in _SHOWN else 0)
    return canvas


def _fill(draw: ImageDraw.ImageDraw, part: Part, value: int) -> None:
    points = pixels(part.points + _MARGIN / SIDE, SIDE)
    if part.width:
        draw.line(points, value, max(1, round(part.width * SIDE)))
    else:
        draw.polygon(points, value)


def _hide(canvas: Image.Image, bird: Bird, scene: Scene) -> None:
    draw = ImageDraw.Draw(canvas)
    for mark in cover(bird, scene):
        _fill(draw, Part("cover", mark.points, mark.width), 0)


def _areas(canvas: Image.Image) -> npt.NDArray[np.int64]:
    """Return the number of pixels of each value: 0 for none, then the traits in order."""
    return np.bincount(np.asarray(canvas).ravel(), minlength=len(_SHOWN) + 1)
