"""A photo's edges as a drawing (Canny, PAMI 1986), which stands for a sketch of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from zscr.errors import MissingExtraError

_BLUR = 2.0  # pixels, of an image of 256: finer edges are texture
_STRONG, _WEAK = 0.9, 0.4  # the quantile of ridges that begin a stroke; the part that goes on
_LEAST = 15  # pixels of a stroke
_BORDER = 3  # pixels along which a photo's own border would be drawn
_STEPS = ((0, 1), (1, 1), (1, 0), (1, -1))  # to the neighbour across an edge, by its direction

Map = npt.NDArray[np.float32]


def edge_map(image: Image.Image) -> Image.Image:
    """Return the edges of an RGB image as dark strokes of two pixels on white, RGB.

    An image without an edge becomes a white sheet.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    try:
        from scipy import ndimage
    except ImportError as error:
        raise MissingExtraError("drawing the edges of photos", "edges") from error
    colours = ndimage.gaussian_filter(np.asarray(image, np.float32), (_BLUR, _BLUR, 0))
    slope, ridges = _ridges(*_steepest(ndimage.sobel(colours, 1), ndimage.sobel(colours, 0)))
    strong = float(np.quantile(slope[ridges], _STRONG)) if ridges.any() else 0.0
    parts, count = ndimage.label(ridges & (slope > _WEAK * strong), np.ones((3, 3)))
    peaks = np.asarray(ndimage.maximum(slope, parts, np.arange(count + 1)))
    kept = (peaks > strong) & (np.bincount(parts.ravel(), minlength=count + 1) >= _LEAST)
    kept[0] = False  # what is in no part
    strokes = ndimage.binary_dilation(kept[parts], np.ones((2, 2)))
    return Image.fromarray(np.where(strokes, 0, 255).astype(np.uint8)).convert("RGB")


def _steepest(across: Map, down: Map) -> tuple[Map, Map]:
    """Return the slopes (H, W) of the colour that is steepest at each pixel, of (H, W, 3)."""
    colour = np.hypot(across, down).argmax(-1)[..., None]
    found = [np.take_along_axis(one, colour, -1)[..., 0] for one in (across, down)]
    return found[0], found[1]


def _ridges(across: Map, down: Map) -> tuple[Map, npt.NDArray[np.bool_]]:
    """Return how steep each pixel is, and whether it is the steepest across its edge."""
    slope = np.hypot(across, down)
    direction = np.round(np.rad2deg(np.arctan2(down, across)) / 45).astype(int) % 4
    ridges = np.zeros(slope.shape, bool)
    for number, step in enumerate(_STEPS):
        ahead, behind = np.roll(slope, step, (0, 1)), np.roll(slope, [-s for s in step], (0, 1))
        ridges |= (direction == number) & (slope >= ahead) & (slope >= behind)
    ridges &= slope > 0
    for side in (ridges, ridges[::-1], ridges.T, ridges.T[::-1]):
        side[:_BORDER] = False
    return slope, ridges
