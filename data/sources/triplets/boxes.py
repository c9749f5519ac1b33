"""Boxes of GeneCIS in Visual Genome's images: dilated, cut out, padded to a square."""

from __future__ import annotations

from PIL import Image

from zscr.errors import InputError

DILATION = 0.7  # of a box, by the released code


def dilated(
    image: Image.Image, box: tuple[float, float, float, float], by: float = DILATION
) -> Image.Image:
    """Cut a box out of an image, dilated: `by` of its size is added before it, none behind it.

    The released code moves the left and the upper side out by `by` of the width and height and then
    makes the box 1 + `by` times as large, so that it grows to one side alone; where that side
    leaves the image, to the other.

    Raises:
        InputError: nothing of the box lies in the image.
    """
    x, y, width, height = box
    left, top = max(0.0, x - by * width), max(0.0, y - by * height)
    right = min(image.width, left + (1 + by) * width)
    bottom = min(image.height, top + (1 + by) * height)
    if round(right) <= round(left) or round(bottom) <= round(top):
        raise InputError(f"the box {box} holds nothing of an image of {image.width}x{image.height}")
    return image.crop((round(left), round(top), round(right), round(bottom)))


def padded(image: Image.Image) -> Image.Image:
    """Return an image in the middle of a black square; an odd pixel goes to the right or below."""
    side = max(image.size)
    square = Image.new(image.mode, (side, side))
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return square
