"""Sketches as queries: clean ones as Python sees them to the last bit, others all but that."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

pytest.importorskip("onnx", reason="needs the extra 'export'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher

# Where paper is evened out, sums of float32 in another order may move a pixel by a level.
NEAR = 1e-4


def drawing(size: tuple[int, int], ink: str, paper: str, width: int = 5) -> Image.Image:
    """Draw a house that fills most of a sheet."""
    image = Image.new("RGBA", size, paper)
    draw = ImageDraw.Draw(image)
    left, top, right, bottom = (size[0] // 6, size[1] // 3, size[0] * 5 // 6, size[1] * 7 // 8)
    draw.rectangle((left, top, right, bottom), outline=ink, width=width)
    draw.line((left, top, size[0] // 2, size[1] // 12, right, top), fill=ink, width=width)
    return image


def photographed(image: Image.Image) -> Image.Image:
    """Let light fall on a drawing from one side, with a little noise."""
    pixels = np.asarray(image.convert("RGB"), float)
    light = np.linspace(0.55, 0.95, pixels.shape[1])[None, :, None]
    noise = np.random.default_rng(3).normal(0, 2, pixels.shape)
    return Image.fromarray((pixels * light + noise).clip(0, 255).astype(np.uint8))


CLEAR = "#00000000"
CLEAN = {
    "clean.png": drawing((300, 300), "black", "white"),
    "clear.png": drawing((300, 300), "black", CLEAR),
}
OTHERS = {
    "wide.png": drawing((700, 320), "black", "white"),
    "light.png": drawing((400, 300), "#eee", "#123"),
    "light-clear.png": drawing((400, 300), "white", CLEAR),
    "faint.png": drawing((300, 400), "#ccc", "white"),
    "photo.png": photographed(drawing((640, 480), "#222", "white", 9)),
}


@pytest.fixture
def pair(library, tmp_path):
    """Open a bundle of sketches in C++ and in Python."""
    from bundles import make_bundle, make_index

    how = {"image_size": 32, "resample": "bicubic"}
    bundle = make_bundle(tmp_path / "b", "clip", preprocess=how, sketches=True)
    make_index(tmp_path / "b.index", bundle, 200)
    return library.open(bundle), Searcher.open(bundle, runtime=Runtime(threads=1))


def answers(pair: Any, path: Path) -> tuple[Any, Any]:
    """Return what both find for a sketch."""
    ours, theirs = pair
    [found], [wanted] = ours.ask([{"sketch": str(path).encode()}]), theirs.search(sketches=path)
    assert (found.notes, found.error) == (wanted.notes, wanted.error), path
    hits = [(hit[1], hit[2]) for hit in found.hits]
    return hits, [(hit.id, hit.score) for hit in wanted.hits]


@pytest.mark.parametrize("name", CLEAN)
def test_clean_drawings(name, pair, tmp_path):
    """Dark on white already, on a square: nothing is done, and scores are equal to the last bit."""
    CLEAN[name].save(tmp_path / name)
    found, wanted = answers(pair, tmp_path / name)
    assert found == wanted
    assert found


@pytest.mark.parametrize("name", OTHERS)
def test_drawings_that_are_prepared(name, pair, tmp_path):
    """Turned over, evened out, made dark, squared: the same clauses, all but the same scores."""
    OTHERS[name].save(tmp_path / name)
    found, wanted = answers(pair, tmp_path / name)
    assert len(found) == len(wanted) == 10
    assert np.abs(np.array([s for _, s in found]) - [s for _, s in wanted]).max() < NEAR


def test_a_small_drawing_is_cut_out(pair, tmp_path):
    """What fills a tenth of its sheet; and a speck, which is none."""
    sheet = Image.new("RGB", (900, 700), "white")
    sheet.paste(drawing((110, 100), "black", "white", 4), (500, 300))
    sheet.save(tmp_path / "small.png")
    found, wanted = answers(pair, tmp_path / "small.png")
    assert found == wanted
    Image.new("RGB", (90, 70), "white").save(tmp_path / "blank.png")
    assert answers(pair, tmp_path / "blank.png") == ([], [])


@pytest.mark.realdata
def test_real_sketches(pair: Any, realdata_folder: Callable[[str], Path]) -> None:
    """Drawings of sketchy25, to the last bit; photos, which become drawings or are refused."""
    folder = realdata_folder("sketchy25")
    drawn = sorted(path for path in folder.rglob("*.png"))[::40]
    photos = sorted(folder.rglob("*.jpg"))[::300]
    assert len(drawn) > 30
    assert len(photos) > 5
    for path in drawn:
        found, wanted = answers(pair, path)
        assert found == wanted, path
    for path in photos:
        found, wanted = answers(pair, path)
        off = np.array([s for _, s in found]) - [s for _, s in wanted]
        assert np.abs(off).max(initial=0) < NEAR, path
