"""The paper of a drawing: how bright it is at each place, told from what is drawn on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]
Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_SAMPLES = 64  # along the longer side: a smooth surface needs no more
_FEWEST = 8  # along the shorter side, or a surface could be anything between them
_FRAME = 0.06  # of a side: what lies so near to the border is paper, but for a few strokes
_ROUNDS = 8
_NEAR, _LEAST = 3.0, 3.0  # deviations, or grey levels, within which a sample is paper
_EVEN = 8.0  # grey levels within which a sheet shows nothing
_SIGMA = 1.4826  # from the median of absolute deviations to the standard deviation of a normal


@dataclass(frozen=True)
class Paper:
    """The paper below the strokes.

    Attributes:
        light: (3, H, W) its grey levels, as if nothing were drawn on it.
        noise: (3,) by how many levels its pixels scatter about that.
    """

    light: Floats
    noise: Floats


def paper_of(pixels: Floats) -> Paper:
    """Fit the paper of a drawing (3, H, W): a quadratic surface for each colour.

    Light that falls from one side, and the darker corners of a photo, are smooth over the sheet;
    strokes are not. So the surface is fitted to the frame of the sheet first, then again and again
    to all samples that lie near to it: least squares over what is left of outliers. The samples are
    single pixels, since means of several would mix strokes into the paper.
    """
    height, width = pixels.shape[1:]
    step = -(-max(height, width) // _SAMPLES)
    down, across = (min(step, max(1, side // _FEWEST)) for side in (height, width))
    samples, terms = pixels[:, ::down, ::across], _terms(height, width, (down, across))
    frame = _frame(*samples.shape[1:])
    fits = [_fit(terms, levels, frame) for levels in samples]
    every = _terms(height, width, (1, 1)).reshape(-1, height * width)
    light = np.stack([weights for weights, _ in fits]) @ every
    noise = np.array([noise for _, noise in fits], np.float32)
    return Paper(light.clip(0, 255).reshape(pixels.shape), noise)


def _fit(terms: Floats, levels: Floats, frame: Mask) -> tuple[Floats, float]:
    """Return the surface of one colour, and how its paper scatters about it."""
    weights = np.zeros(len(terms), np.float32)
    rest = levels - np.median(levels[frame])
    near = _near(rest, frame) & frame
    for _ in range(_ROUNDS):
        weights = np.linalg.lstsq(terms[:, near].T, levels[near], rcond=None)[0]
        rest = levels - np.tensordot(weights, terms, 1)
        before, near = near, _near(rest, near)
        if np.array_equal(near, before):
            break
    return weights, _SIGMA * float(np.median(np.abs(rest[near])))


def _near(rest: Floats, among: Mask) -> Mask:
    """Say which samples are paper, as far as those `among` them scatter; some always are."""
    away = np.abs(rest)
    middle = float(np.median(away[among]))
    near: Mask = away <= max(_NEAR * _SIGMA * middle, _LEAST)
    return near


def _terms(height: int, width: int, steps: tuple[int, int]) -> Floats:
    """Return 1, x, y, x², xy, y² at pixels so many apart, x and y from -1 to 1: (6, H', W')."""
    sides = zip((height, width), steps, strict=True)
    down, across = (np.linspace(-1, 1, side, dtype=np.float32)[::step] for side, step in sides)
    x, y = np.broadcast_to(across, (len(down), len(across))), down[:, None]
    one = np.ones_like(x)
    return np.stack([one, x, one * y, x * x, x * y, one * y * y])


def _frame(height: int, width: int) -> Mask:
    """Say which samples lie near to the border."""
    frame = np.ones((height, width), bool)
    down, across = (max(1, round(_FRAME * side)) for side in (height, width))
    frame[down : max(down, height - down), across : max(across, width - across)] = False
    return frame


def under_layer(layer: Image.Image) -> str:
    """Return what a transparent RGBA layer lies on: the paper that its strokes are seen on.

    A layer whose border is clear holds the strokes: light ones lie on black. One whose border is
    opaque holds the paper: what is clear in it is as bright, unless it is all that is drawn.
    """
    small = np.asarray(layer.resize((64, 64), Image.Resampling.BOX), float)
    alpha, grey = small[..., 3] / 255, small[..., :3].mean(-1)
    frame = _frame(64, 64)
    has_paper = alpha[frame].mean() > 0.5
    seen = alpha * frame if has_paper else alpha
    is_light = (seen * grey).sum() > 127.5 * seen.sum()
    if has_paper and _is_cut_out(alpha, grey):
        is_light = not is_light
    return "white" if is_light == has_paper else "black"


def _is_cut_out(alpha: Array, grey: Array) -> bool:
    """Say whether a sheet shows nothing but what is clear in it, and not at its corners alone."""
    whole = alpha[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 0.9
    return bool(whole and np.ptp(grey[alpha > 0.5]) < _EVEN)
