"""Images, a bundle with every composition, and an index, for tests that ask both libraries."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Draw 20 images of noise."""
    folder, lot = tmp_path_factory.mktemp("photos"), np.random.default_rng(3)
    for n in range(20):
        Image.fromarray(lot.integers(0, 256, (30, 40, 3), np.uint8)).save(folder / f"{n}.png")
    return [folder / f"{n}.png" for n in range(20)]


@pytest.fixture(scope="module")
def drawings(photos: list[Path]) -> list[Path]:
    """Draw 20 of black lines on white."""
    lot, found = np.random.default_rng(6), []
    for n in range(20):
        sheet = Image.new("L", (48, 48), 255)
        points = [tuple(map(int, one)) for one in lot.integers(4, 44, (5, 2))]
        ImageDraw.Draw(sheet).line(points, fill=0, width=2)
        found.append(photos[0].parent / f"drawn{n}.png")
        sheet.save(found[-1])
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a bundle of texts, images and sketches."""
    from bundles import make_bundle

    return make_bundle(tmp_path_factory.mktemp("plain") / "plain", "clip", sketches=True)


@pytest.fixture(scope="module")
def bundle(plain: Path) -> Path:
    """Make one with every composition."""
    from composed_bundles import with_compositions

    return with_compositions(plain.parent / "b", plain)


@pytest.fixture(scope="module")
def small(library: Any, bundle: Path) -> Any:
    """Open the bundle with an index of 60 images beside it."""
    from bundles import make_index

    make_index(bundle.parent / "b.index", bundle, 60)
    return library.open(bundle), Searcher.open(bundle, runtime=Runtime(threads=1))


@pytest.fixture
def copy(small: Any, bundle: Path, tmp_path: Path) -> Path:
    """Copy the bundle and its index, to be damaged."""
    for name in ("b", "b.index"):
        shutil.copytree(bundle.parent / name, tmp_path / name)
    return tmp_path / "b"
