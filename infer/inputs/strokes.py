"""Preparing a sketch: from whatever somebody drew or photographed to dark strokes on white.

A drawing that is such already stays as it is, bit for bit, and so does what was prepared once.
"""

from __future__ import annotations

from PIL import Image

from zscr.errors import InputError
from zscr.infer.inputs.ink import Ink, ink_of
from zscr.infer.inputs.prepared import Drawing

_LEAST = 16  # pixels that make a drawing
# Shares of a side that a drawing fills. Of the 3,125 sketches of sketchy25, eight fill less than
# `_SMALL`; half of them fill more than `_FILL`.
_SMALL, _FILL = 0.15, 0.66
_ROUNDS = 6  # cut out, drawn anew, cut out more closely, laid on a square, and two to spare

TURNED = "the drawing was light on dark and was turned over"
EVENED = "the paper was not white and was evened out"
FAINT = "the strokes were faint and were made dark"
CUT = "the drawing filled a small part of its sheet and was cut out"


def prepared(image: Image.Image, name: str = "the sketch") -> Drawing:
    """Prepare a sketch, an upright RGB image, for a model of sketches.

    A drawing that fills under a seventh of its sheet is cut out. Light strokes on dark are turned
    over, paper that is not white is made so, faint strokes dark. What is not square is laid on a
    white square, so that no model crops or squeezes it.

    Args:
        image: the sketch; name: what messages call it.

    Raises:
        InputError: it shows no drawing: it is blank, or has a few dark pixels alone.
    """
    told: dict[str, None] = {}
    for _ in range(_ROUNDS):
        ink = _seen(image, name)
        if ink.fill < _SMALL:
            image, told[CUT] = _cut_out(image, ink), None
        elif not ink.is_clean:
            told[TURNED if ink.is_light else FAINT if ink.on_white else EVENED] = None
            image = ink.drawn()
        elif image.width != image.height:
            image = _on_square(image)
        else:
            break
    return Drawing(image, tuple(told))


def _seen(image: Image.Image, name: str) -> Ink:
    """Return the ink of a sketch that shows something."""
    ink = ink_of(image)
    if ink.count < _LEAST:
        seen = f"only {ink.count} pixels stand out" if ink.count else "no stroke stands out"
        raise InputError(
            f"{name} shows no drawing: {seen} from the paper; draw larger and with a thicker pen, "
            f"or give another file; a photo is no sketch"
        )
    return ink


def _cut_out(image: Image.Image, ink: Ink) -> Image.Image:
    """Return the square with the drawing in its middle, as far as the sheet goes."""
    scale = max(image.size) / ink.side
    left, top, right, bottom = (edge * scale for edge in ink.box)
    side = round(max(right - left, bottom - top) / _FILL)
    across, width = _span((left + right) / 2, side, image.width)
    down, height = _span((top + bottom) / 2, side, image.height)
    return image.crop((across, down, across + width, down + height))


def _span(middle: float, side: int, whole: int) -> tuple[int, int]:
    """Return where `side` pixels about a middle begin within a whole, and how many they are."""
    length = min(side, whole)
    return max(0, min(round(middle - side / 2), whole - length)), length


def _on_square(image: Image.Image) -> Image.Image:
    """Lay a drawing in the middle of a white square."""
    side = max(image.size)
    sheet = Image.new("RGB", (side, side), "white")
    sheet.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return sheet
