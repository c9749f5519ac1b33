"""The README's picture is drawn from answers, right ones framed green, and stays small."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]


def test_right_and_wrong_answers_are_framed(tmp_path: Path) -> None:
    """A blue image twice, right and wrong: two frames of their colours around blue."""
    Image.new("RGB", (30, 30), (0, 0, 255)).save(tmp_path / "blue.png")
    hits = [{"image": str(tmp_path / "blue.png"), "correct": correct} for correct in (True, False)]
    call = [sys.executable, str(ROOT / "scripts/contact_sheet.py"), str(tmp_path / "a/sheet.png")]
    answer = json.dumps({"text": "a blue square", "hits": hits})
    subprocess.run(call, input=answer, text=True, check=True)
    sheet = Image.open(tmp_path / "a/sheet.png").convert("RGB")
    colours = {colour: count for count, colour in sheet.getcolors()}
    assert colours[(20, 113, 61)] == colours[(179, 38, 30)] == 102**2 - 96**2
    assert colours[(0, 0, 255)] == 2 * 96**2
    assert colours[(0, 0, 0)] > 50  # the caption's letters


def test_the_picture_is_small() -> None:
    """Below 200 KB, as a page that is read first should be."""
    data = (ROOT / "docs/img/contact_sheet.png").read_bytes()
    assert Image.open(io.BytesIO(data)).width > 500
    assert len(data) < 200_000
