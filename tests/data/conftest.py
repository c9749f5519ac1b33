"""Fixtures of the data tests: small images, small collections, a small Sketchy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zscr.artefact import file_entry, read_manifest, write_manifest
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
            draft.add_item(Item(f"{split}/0", split, split, f"{split}.png"))
    return path


@pytest.fixture
def sketchy(tmp_path: Path) -> Path:
    """Write a Sketchy folder of 20 classes with a photo and two sketches each."""
    for name in ("bat", "couch", "mouse", *(f"class_{i}" for i in range(17))):
        for file in (f"photo/{name}/n1_2.jpg", f"sketch/{name}/n1_2-1.png"):
            path = tmp_path / "sketchy" / file
            path.parent.mkdir(parents=True)
            Image.new("RGB", (4, 4)).save(path)
        shutil.copy(path, path.with_name("n1_2-2.png"))
    (tmp_path / "sketchy/split_zeroshot0_unseen.txt").write_text("bat 0\nclass_3 1\n")
    (tmp_path / "sketchy/split_zeroshot1_unseen.txt").write_text("mouse 0\n")
    return tmp_path / "sketchy"


@pytest.fixture(scope="session")
def reseal() -> Callable[[Path], None]:
    """Return a function that lists a changed collection's files anew, as a forger would."""

    def seal(folder: Path) -> None:
        manifest = read_manifest(folder, "collection")
        paths = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != "manifest.json"]
        files = {path.relative_to(folder).as_posix(): file_entry(path) for path in paths}
        write_manifest(folder, "collection", files, manifest.body)

    return seal
