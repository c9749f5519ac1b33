"""Draws the first answers of `zscr query --format jsonl` on stdin as one small PNG."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from zscr.data.images import open_image
from zscr.disk import Plain, new_parents
from zscr.partial import asked_file

ROWS, HITS = 5, 7
SIDE, GAP, FRAME = 96, 8, 3  # pixels of an image, between two, and of its frame
TEXT, LETTERS = 236, 30  # pixels and letters of a caption's lines
LINE = 18
COLOURS = {True: (20, 113, 61), False: (179, 38, 30), None: (160, 160, 160)}
SHADES = 128  # of the palette, which keeps the file small


def draw(answers: list[dict[str, Any]]) -> Image.Image:
    """Return the sheet: a caption a row, then what it found, framed green where it is right."""
    step = SIDE + 2 * FRAME + GAP
    sheet = Image.new("RGB", (TEXT + HITS * step + GAP, len(answers) * step + GAP), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=14)
    for row, answer in enumerate(answers):
        top = GAP + row * step
        lines = textwrap.wrap(answer["text"], LETTERS)
        down = top + (step - GAP - LINE * len(lines)) // 2
        pen.multiline_text((GAP, down), "\n".join(lines), "black", font)
        for place, hit in enumerate(answer["hits"][:HITS]):
            left = TEXT + place * step
            corner = (left + SIDE + 2 * FRAME - 1, top + SIDE + 2 * FRAME - 1)
            pen.rectangle(((left, top), corner), COLOURS[hit.get("correct")])
            sheet.paste(thumbnail(hit["image"]), (left + FRAME, top + FRAME))
    return sheet


def thumbnail(path: str) -> Image.Image:
    """Return an image at the sheet's size."""
    return open_image(path, least=2 * SIDE).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def main() -> None:
    """Read answers, write the sheet to the file that is named."""
    [out] = map(Path, sys.argv[1:])
    answers = [json.loads(line) for line in sys.stdin]
    sheet = draw(answers[:ROWS]).quantize(SHADES, dither=Image.Dither.NONE)
    with new_parents(out), asked_file(out) as file:
        sheet.save(Plain(file), "PNG", optimize=True)


if __name__ == "__main__":
    main()
