"""Fixtures of the data tests: small images, a small collection."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zscr.data.collection import ClassInfo, Item, new_collection


@pytest.fixture
def image_folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that makes a folder with `classes` folders of `count` 8x8 images."""

    def make(classes: int = 5, count: int = 3, name: str = "pets") -> Path:
        rng = np.random.default_rng(classes)
        for number in range(classes):
            folder = tmp_path / name / f"class_{number}"
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = rng.integers(0, 255, (8, 8, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.png")
        return tmp_path / name

    return make


@pytest.fixture
def small_collection(tmp_path: Path) -> Path:
    """Make a collection of three classes with one image each."""
    path = tmp_path / "small"
    with new_collection(path, name="small", protocol="test", provenance={}) as draft:
        for split in ("seen", "val", "unseen"):
            Image.new("RGB", (8, 8), "red").save(draft.folder / f"{split}.png")
            draft.add_class(ClassInfo(split, split), split)
            draft.add_item(Item(f"{split}/0", split, split, image=f"{split}.png"))
    return path
