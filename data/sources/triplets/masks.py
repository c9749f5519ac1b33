"""Masks of COCO's annotations: polygons, and run lengths plain or packed, as boolean arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.schema import integer, listing, number, record, words

_COUNT = integer(0, 1 << 32)
_POLYGONS = listing(listing(number(), 6))
_SIZE = {"size": listing(_COUNT, 2, 2)}
_RUNS, _PACKED = record({"counts": listing(_COUNT, 1), **_SIZE}), record({"counts": words, **_SIZE})

Mask = npt.NDArray[np.bool_]  # (height, width)


def mask_of(segmentation: Any, height: int, width: int) -> Mask:
    """Return the mask of an annotation of an image of some size.

    Args:
        segmentation: a list of polygons [x, y, x, y, …], or run lengths {`counts`, `size`}.
        height, width: of the image.

    Raises:
        InputError: it is something else, or of another size.
    """
    runs = isinstance(segmentation, Mapping)
    packed = runs and isinstance(segmentation.get("counts"), str)
    try:
        (_PACKED if packed else _RUNS if runs else _POLYGONS)(segmentation, "segmentation")
    except ValueError as error:
        raise InputError(f"an annotation's {error}; fetch the annotations anew") from error
    if runs:
        return _of_runs(segmentation, height, width)
    mask = np.zeros((height, width), np.bool_)
    for polygon in segmentation:
        mask |= of_polygon(polygon, height, width)
    return mask


def of_polygon(polygon: Sequence[float], height: int, width: int) -> Mask:
    """Return which pixels have their centre inside a polygon (even-odd rule).

    Along a row of pixels, each edge that the row's middle crosses turns outside into inside and
    back: the number of crossings at or left of a pixel's centre is odd inside. pycocotools draws
    the outline at five times the size instead: the two differ by single pixels of the outline.
    """
    corners = np.asarray(polygon[: len(polygon) // 2 * 2], np.float64).reshape(-1, 2)
    crossings = np.zeros((height, width + 1), np.intp)  # the last column: right of the image
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        low, high = sorted((y1, y2))  # of them the edge has the first, the next edge the second
        first, last = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in (low, high))
        rows = np.arange(first, last)
        if len(rows):
            x = x1 + (rows + 0.5 - y1) * (x2 - x1) / (y2 - y1)
            columns = np.clip(np.ceil(x - 0.5), 0, width).astype(np.intp)
            np.add.at(crossings, (rows, columns), 1)
    inside: Mask = crossings.cumsum(axis=1)[:, :width] % 2 == 1
    return inside


def _of_runs(runs: Mapping[str, Any], height: int, width: int) -> Mask:
    """Return the mask of run lengths, column after column, the first of what is outside."""
    counts, size = runs["counts"], runs["size"]
    lengths: list[int] = unpacked(counts) if isinstance(counts, str) else counts
    total = sum(lengths)
    if size != [height, width] or total != height * width or min(lengths) < 0:
        raise InputError(
            f"a mask's run lengths add up to {total} for the size {size}, in an image of "
            f"{height}x{width}; fetch the annotations anew"
        )
    inside = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    return inside.reshape(width, height).T


def unpacked(packed: str) -> list[int]:
    """Return the run lengths of COCO's packed string.

    A number is written in 5 bits a character, its lowest first, each plus 48; the bit 32 says that
    more follow, and the bit 16 of the last one is the sign. From the third on a number is the
    difference to the one two before.

    Raises:
        InputError: it ends within a number.
    """
    lengths: list[int] = []
    value = shift = 0
    for character in packed:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift:
        raise InputError("a mask's packed run lengths end within a number; fetch them anew")
    return lengths
