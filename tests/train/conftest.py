"""A method that the tests install as a plug-in, and a collection of images with tasks."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from zscr.data.collection import ClassInfo, Item, new_collection
from zscr.data.records import Query
from zscr.data.relevance import Truth
from zscr.data.task_files import TaskInfo, TaskRow


@pytest.fixture(scope="module")
def plain_module(lay_out: Callable[[str, str, str], Path]) -> Iterator[ModuleType]:
    """Install `plain_method.py` as the method `plain`, as a package would, and import it."""
    code = Path(__file__).with_name("plain_method.py").read_text()
    site = lay_out("plain", "plain_method", code)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        yield importlib.import_module("plain_method")
    del sys.modules["plain_method"]


@pytest.fixture
def plain(plain_module: ModuleType) -> ModuleType:
    """Return the module of the method `plain`, which has noted nothing yet."""
    plain_module.CALLS.clear()
    plain_module.BEFORE.clear()
    return plain_module


COLOURS = ("red", "green", "blue", "black", "white")
SPLITS = {"seen": range(6), "val": range(6, 8), "unseen": range(8, 10)}
SIZES = ("small", "small", "large", "large")  # of a class's four images


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make ten classes of shapes in two sizes, every other one with a sketch, and two tasks.

    `composed`: an image with the size that is wanted asks for the class's two images of that size;
    itself is left out. `style`: the same, decided by class and attribute, nothing left out.
    """
    path = tmp_path_factory.mktemp("scenes") / "scenes"
    names = [f"{colour}-{form}" for colour in COLOURS for form in ("circle", "square")]
    composed, style = [], []
    with new_collection(path, name="scenes", protocol="test", provenance={}) as draft:
        for split, name in ((s, names[n]) for s, numbers in SPLITS.items() for n in numbers):
            draft.add_class(ClassInfo(name, name, (f"a {name.replace('-', ' ')}",)), split)
            for number, size in enumerate(SIZES):
                image, sketch = _draw(draft.folder, name, number)
                attributes, texts = {"size": size}, (f"{size} {name.replace('-', ' ')}",)
                item = f"{name}-{number}"
                draft.add_item(Item(item, split, name, image, sketch, texts, attributes))
            for number, wanted in ((0, "large"), (1, "small"), (2, "small"), (3, "large")):
                own = f"{name}-{number}"
                query = Query(f"{own} {wanted}", wanted, f"{own}.png")
                sought = [f"{name}-{n}" for n, size in enumerate(SIZES) if size == wanted]
                truth = Truth({item: 1.0 for item in sought if item != own}, exclude=(own,))
                composed.append(TaskRow(query, split, name, truth))
                style.append(TaskRow(query, split, name, class_id=name, value=wanted))
        draft.add_task(TaskInfo("composed", figures=("Recall@2", "mAP")), composed)
        draft.add_task(TaskInfo("style", by="class", attribute="size"), style)
    return path


def _draw(folder: Path, name: str, number: int) -> tuple[str, str | None]:
    """Draw an image, and for every other one a sketch -> their files."""
    from PIL import Image, ImageDraw

    colour, form = name.split("-")
    corner = 28 if number > 1 else 16
    files = []
    for file, ground in ((f"{name}-{number}.png", "grey"), (f"{name}-{number}-sketch.png", "pink")):
        image = Image.new("RGB", (32, 32), ground)
        pen = ImageDraw.Draw(image)
        draw = pen.ellipse if form == "circle" else pen.rectangle
        draw(
            (2 + number, 4, corner, corner),
            fill=colour if ground == "grey" else None,
            outline=colour,
        )
        image.save(folder / file)
        files.append(file)
    if number % 2:
        (folder / files[1]).unlink()
    return files[0], None if number % 2 else files[1]
