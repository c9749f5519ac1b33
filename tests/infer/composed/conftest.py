"""A bundle made by hand with the compositions that an export gives it, an index and queries."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zscr.artefact import staged
from zscr.data.records import Query
from zscr.export.composition import told, write_compositions
from zscr.export.words import Words
from zscr.infer.bundle import Bundle
from zscr.infer.composed.composer import Composer
from zscr.infer.index.index import Entry, Index
from zscr.infer.runners.runner import Runtime

MANY = 6000  # more than are scored whole
THINGS = tuple(f"{a}{b} thing" for a in "abcdefgh" for b in "klmnopqr")
STYLES = tuple(f"in {a}{b}" for a in "stuv" for b in "wxyz")


@pytest.fixture(scope="module")
def folder(make_bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle with compositions; a vocabulary of six words, so that FreeDom is there."""
    base = tmp_path_factory.mktemp("composed")
    plain = Bundle.open(make_bundle(base / "plain"), Runtime(threads=1))
    with staged(base / "bundle", "bundle") as stage:
        for name in plain.manifest.files:
            shutil.copyfile(plain.folder / name, stage.folder / name)
        words = Words(THINGS, STYLES, ("wren", "robin", "tit", "owl", "kite", "crow"))
        text = plain.graph("query")
        entries = write_compositions(stage, plain.graphs, text, plain.dim, words)
        stage.body |= {**plain.manifest.body, **told(entries)}
    return base / "bundle"


@pytest.fixture(scope="module")
def bundle(folder: Path) -> Bundle:
    return Bundle.open(folder, Runtime(threads=1))


@pytest.fixture(scope="module")
def composer(bundle: Bundle) -> Composer:
    return Composer(bundle)


def indexed(bundle: Bundle, folder: Path, count: int, **how: Any) -> Index:
    """Make an index of random images, every third in the folder /there/in, the last two equal."""
    rng = np.random.default_rng(11)
    rows = rng.standard_normal((count, bundle.dim)) + 0.5
    rows[-1] = rows[-2]
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    places = ("/there/in" if row % 3 == 0 else "/there/out" for row in range(count))
    entries = [
        Entry(f"{row}", "0" * 64, image=f"{place}/{row}.png") for row, place in enumerate(places)
    ]
    about = {"space": bundle.space, "bundle_name": "birds"}
    return Index.create(folder, entries=entries, vectors=rows, **about, **how)


@pytest.fixture(scope="module")
def many(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Index:
    return indexed(bundle, tmp_path_factory.mktemp("index") / "many", MANY, search="exact")


@pytest.fixture(scope="module")
def queries() -> list[Query]:
    """Six, each with an image of noise of its own."""
    rng = np.random.default_rng(4)
    images = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)) for _ in range(6)]
    texts = ["a red wren", "robin", "an owl by night", "kite", "tit", "blue"]
    return [
        Query(str(n), text=t, image=i) for n, (t, i) in enumerate(zip(texts, images, strict=True))
    ]
