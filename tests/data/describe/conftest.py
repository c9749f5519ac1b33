"""A collection of four classes, one of which is unseen."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

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
