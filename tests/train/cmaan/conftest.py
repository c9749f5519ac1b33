"""Fixtures: a small collection of photos and sketches, and two small pretrained networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from tests.train.vision.networks import network, save
from zscr.data.collection import ClassInfo, Item, new_collection

COLOURS = ("red", "green", "blue", "black", "white")
FORMS = ("circle", "square")
SPLITS = {"seen": range(6), "val": range(6, 8), "unseen": range(8, 10)}
EACH = 4


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make ten classes with four photos and four sketches each, items of their own as Sketchy's."""
    path = tmp_path_factory.mktemp("drawn") / "drawn"
    names = [f"{colour}-{form}" for colour in COLOURS for form in FORMS]
    with new_collection(path, name="drawn", protocol="test", provenance={}) as draft:
        for split, name in ((s, names[n]) for s, numbers in SPLITS.items() for n in numbers):
            draft.add_class(ClassInfo(name, name, (f"a {name.replace('-', ' ')}",)), split)
            for number in range(EACH):
                for domain in ("photo", "sketch"):
                    item = f"{name}/{domain}-{number}"
                    file = f"{name}-{domain}-{number}.png"
                    draw(name, number, domain == "sketch").save(draft.folder / file)
                    image, sketch = (file, None) if domain == "photo" else (None, file)
                    draft.add_item(Item(item, split, name, image, sketch))
    return path


def draw(name: str, number: int, as_sketch: bool) -> Image.Image:
    """Draw a filled form on grey, or its outline on white."""
    colour, form = name.split("-")
    image = Image.new("RGB", (32, 32), "white" if as_sketch else "grey")
    pen = ImageDraw.Draw(image)
    stroke = pen.ellipse if form == "circle" else pen.rectangle
    wide = 6 + 3 * COLOURS.index(colour)  # so that outlines tell the colours apart
    where = (3 + number, 4, 8 + number + wide, 27)
    stroke(where, **({"outline": "black"} if as_sketch else {"fill": colour}))
    return image


@pytest.fixture(scope="session")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small network once."""
    return save(tmp_path_factory.mktemp("networks") / "small-network", network())


@pytest.fixture(autouse=True, scope="session")
def _cache_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make encoders in a cache of this run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZSCR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
