"""Sketch: the same bird drawn by hand, dark strokes on white, without surroundings or colour."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from zscr.data.aviary.curves import Curve, resample, turned
from zscr.data.aviary.geometry import Bird, Part
from zscr.data.aviary.raster import OVER, SIDE, draw_line, pixels
from zscr.data.aviary.scene import Scene

_STEP = 2.5 / SIDE  # between the points of a stroke, in images
_BUMP = 5  # points between two independent wobbles
_WHITE = 255
_FAINTEST = 0.55  # width of a seam relative to a contour


@dataclass(frozen=True)
class Hand:
    """How one sketch is drawn; widths and lengths in images.

    Attributes:
        width: of a contour's stroke.
        grey: of the pen, 0 black to 255.
        wobble: standard deviation of a stroke's distance from the true line.
        gap: probability that a stretch of a stroke is left out.
        overshoot: longest run of a stroke past its end.
        tilt: degrees by which the whole drawing is turned.
        scale: gain of the whole drawing.
    """

    width: float
    grey: int
    wobble: float
    gap: float
    overshoot: float
    tilt: float
    scale: float


def draw_sketch(bird: Bird, scene: Scene) -> Image.Image:
    """Return the bird as an 8-bit grey drawing; what lies behind other parts stays hidden."""
    rng = np.random.default_rng([scene.detail, 6])
    hand = _sample_hand(rng)
    image = Image.new("L", (SIDE * OVER, SIDE * OVER), _WHITE)
    draw = ImageDraw.Draw(image)
    for group in bird.groups:
        rough = [_roughened(part, hand, rng) for part in group]
        for part in rough:
            if part.inked:
                # Half of a contour disappears below its own filling.
                _stroke(draw, np.concatenate([part.points, part.points[:1]]), 2.0, hand, rng)
        for part in rough:
            _finish(draw, part, hand, rng)
    return image.reduce(OVER)


def _sample_hand(rng: np.random.Generator) -> Hand:
    return Hand(
        width=rng.uniform(1.0, 1.8) / SIDE,
        grey=int(rng.integers(0, 80)),
        wobble=rng.uniform(0.35, 0.9) / SIDE,
        gap=rng.uniform(0.0, 0.06),
        overshoot=rng.uniform(0.0, 4.0) / SIDE,
        tilt=rng.uniform(-4, 4),
        scale=rng.uniform(0.96, 1.04),
    )


def _roughened(part: Part, hand: Hand, rng: np.random.Generator) -> Part:
    """Return the part as the hand draws it: turned, scaled and wobbling."""
    curve = 0.5 + (turned(part.points, hand.tilt, (0.5, 0.5)) - 0.5) * hand.scale
    if part.inked and part.name != "pupil":
        curve = np.concatenate([curve, curve[:1]])
    length = float(np.hypot(*np.diff(curve, axis=0).T).sum())
    curve = resample(curve, max(8, round(length / _STEP)))
    bumps = rng.normal(0, hand.wobble, (len(curve) // _BUMP + 2, 2))
    at = np.arange(len(curve)) / _BUMP
    offset = np.stack([np.interp(at, np.arange(len(bumps)), axis) for axis in bumps.T], 1)
    return replace(part, points=curve + offset)


def _finish(draw: ImageDraw.ImageDraw, part: Part, hand: Hand, rng: np.random.Generator) -> None:
    """Fill the part with paper, or draw it where it is a line, a dot or a pupil."""
    points = pixels(part.points, SIDE * OVER)
    if part.name == "pupil" or (part.name == "pattern" and not part.width):
        draw.polygon(points, hand.grey)
    elif part.name in ("leg", "pattern"):
        _stroke(draw, part.points, 1.0, hand, rng)
    elif part.name == "seam":
        _stroke(draw, part.points, rng.uniform(_FAINTEST, 1.0), hand, rng)
    elif part.inked:
        draw.polygon(points, _WHITE)


def _stroke(
    draw: ImageDraw.ImageDraw, curve: Curve, gain: float, hand: Hand, rng: np.random.Generator
) -> None:
    """Draw a line of varying width with gaps, running on past its end."""
    curve = np.concatenate([curve, _run_on(curve, hand, rng)])
    width = hand.width * gain * SIDE * OVER
    points = pixels(curve, SIDE * OVER)
    for start in range(0, len(points) - 1, _BUMP - 1):
        if rng.random() >= hand.gap:
            drawn = round(width * rng.uniform(0.75, 1.2))
            draw_line(draw, points[start : start + _BUMP], hand.grey, drawn)


def _run_on(curve: Curve, hand: Hand, rng: np.random.Generator) -> Curve:
    """Return one point past the end of `curve`, in its direction."""
    direction = curve[-1] - curve[-2]
    length = max(float(np.hypot(*direction)), 1e-9)
    end: Curve = curve[-1:] + direction / length * rng.uniform(0, hand.overshoot)
    return end
