"""A collection of four classes, one of which is unseen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.data.describe.calls import arguments
from tests.data.describe.server import Model, serving
from zscr.cli import main
from zscr.data.collection import ClassInfo, Collection, Item, new_collection, read_collection

NAMES = {"car_(sedan)": "car (sedan)", "apple": "apple", "ape": "ape", "door": "door"}
SPLITS = {"car_(sedan)": "seen", "apple": "seen", "ape": "val", "door": "unseen"}


@pytest.fixture
def cars(tmp_path: Path) -> Collection:
    """Make a collection with two seen classes, a validation class and an unseen one."""
    path = tmp_path / "cars"
    with new_collection(path, name="cars", protocol="test", provenance={}) as draft:
        for class_id, name in NAMES.items():
            article = "an" if name[0] == "a" else "a"
            split = SPLITS[class_id]
            Image.new("RGB", (8, 8), "red").save(draft.folder / f"{class_id}.png")
            draft.add_class(ClassInfo(class_id, name, (f"{article} {name}",)), split)
            draft.add_item(Item(class_id, split, class_id, f"{class_id}.png"))
    return read_collection(path)


@pytest.fixture
def describe(cars: Collection, model: Model) -> Callable[..., Result]:
    """Return a function that describes the small collection; a known error is exit 1."""
    return lambda *more: CliRunner().invoke(main, arguments(cars.folder, model, *more))


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Iterator[Model]:
    """Serve a model that answers; nothing of this machine's settings is read."""
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    with serving(Model()) as model:
        yield model
