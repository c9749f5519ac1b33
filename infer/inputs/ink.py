"""The ink of a drawing: what stands on its paper, how dark it is, and where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from zscr.infer.inputs.paper import paper_of

SIDE = 512  # pixels of the longer side, at which a drawing is looked at, and drawn anew
_WHITE, _CALM = 250.0, 1.0  # grey levels of paper that is white, and by which it may scatter
_FLOOR, _SURE = 0.08, 5.0  # ink that is surely none, as a share of black, and in deviations
_DARK = 0.5  # the ink of strokes that are dark enough
_TOP = 0.9  # the quantile of the strokes' ink that becomes black

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Ink:
    """What is seen of a drawing at its reduced size.

    Attributes:
        amount: (H, W) from 0, paper, to 1, all that there can be.
        floor: (H, W) how much of it may still be paper.
        strokes: (H, W) where there is more, without specks.
        is_light: whether it is lighter than the paper; on_white: whether the paper is white.
    """

    amount: npt.NDArray[np.float32]
    floor: npt.NDArray[np.float32]
    strokes: Mask
    is_light: bool
    on_white: bool

    @property
    def count(self) -> int:
        """The number of pixels in strokes; all else needs some."""
        return int(self.strokes.sum())

    @property
    def top(self) -> float:
        """The amount in the stronger strokes."""
        return float(np.quantile(self.amount[self.strokes], _TOP))

    @property
    def is_clean(self) -> bool:
        """Whether it is dark on white already."""
        return self.on_white and not self.is_light and self.top >= _DARK

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what is drawn."""
        rows, columns = (np.flatnonzero(self.strokes.any(axis)) for axis in (1, 0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    @property
    def fill(self) -> float:
        """The share of the sheet's longer side that the drawing's longer side fills."""
        left, top, right, bottom = self.box
        return max(right - left, bottom - top) / self.side

    @property
    def side(self) -> int:
        """The longer side at which it is seen, in pixels."""
        return int(max(self.amount.shape))

    def drawn(self) -> Image.Image:
        """Draw it anew, RGB: from the floor to the top of the strokes, white becomes black."""
        share = (self.amount - self.floor) / np.maximum(self.top - self.floor, 1e-6)
        near = _filtered(self.strokes, ImageFilter.MaxFilter(3))
        grey = np.where(near, 255 * (1 - share.clip(0, 1)), 255)
        return Image.fromarray(np.rint(grey).astype(np.uint8)).convert("RGB")


def ink_of(image: Image.Image) -> Ink:
    """Tell the ink of an RGB image from its paper.

    A pixel is light times what the paper reflects, so ink on paper of the level p that leaves the
    level v is 1 - v / p, whatever the light; of light strokes it is (v - p) / (255 - p). The colour
    that shows most of it counts.
    """
    small = image.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=None)
    pixels = np.ascontiguousarray(np.asarray(small, np.float32).transpose(2, 0, 1))
    paper = paper_of(pixels)
    rest = pixels - paper.light
    noise = _SURE * paper.noise[:, None, None]
    sure = np.abs(rest) > np.maximum(_FLOOR * 255, noise)
    is_light = bool((rest * sure).sum() > 0)
    room = np.maximum(255 - paper.light if is_light else paper.light, 1)
    amount = ((rest if is_light else -rest) / room).max(0).clip(0, 1)
    floor = (noise / room).max(0).clip(_FLOOR, 1)  # dim paper shows more of its noise
    on_white = bool(paper.light.min() >= _WHITE and paper.noise.max() <= _CALM)
    return Ink(amount, floor, _without_specks(amount > floor), is_light, on_white)


def _without_specks(mask: Mask) -> Mask:
    """Drop what has fewer than two neighbours: dust and noise, but no line."""
    return _filtered(mask, ImageFilter.RankFilter(3, 6)) & mask


def _filtered(mask: Mask, how: ImageFilter.RankFilter | ImageFilter.MaxFilter) -> Mask:
    return np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).filter(how)) > 0
