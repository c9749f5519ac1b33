"""A run's bundle holds what BASIC takes of the images that it was trained on."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import COLOURS, FORMS
from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.export.bundle import export_run
from zscr.export.words import Words
from zscr.infer.bundle import Bundle
from zscr.infer.searcher import Searcher
from zscr.train.run import open_run

# Of the few words that the small text encoder knows.
SIZES = ("small", "large", "a", "on a")
OBJECTS = tuple(map(" ".join, itertools.product(SIZES, COLOURS, FORMS)))
STYLES = (*(f"on {colour} ground" for colour in COLOURS), *SIZES, *COLOURS)


def test_minima_are_those_of_the_seen_images(deployed: Any, tmp_path: Path) -> None:
    """And the mean that the gallery is centred by; the space and the graphs are as without."""
    bundle = export_run(open_run(deployed.run), tmp_path / "own", words=Words(OBJECTS, STYLES))
    plain = Bundle.open(deployed.bundle)
    assert bundle.space == plain.space
    assert [*bundle.compositions] == ["arithmetic", "basic", "basic-expanded"]
    collection = read_collection(Path(open_run(deployed.run).sources["collection"]["path"]))
    seen = [collection.folder / item.image for item in collection.split("seen") if item.image]
    images = bundle.gallery.encode(Query.of("image", seen)).astype(np.float64)
    mean, text_mean = (np.load(bundle.folder / f"{n}.npy") for n in ("gallery_mean", "text_mean"))
    assert mean == pytest.approx(images.mean(axis=0), abs=1e-6)
    centred = images - images.mean(axis=0)
    words = [*OBJECTS, *STYLES]
    texts = bundle.graph("text").encode(Query.of("text", words)) - text_mean
    image, text = bundle.compositions["basic"].channels
    assert image.least == pytest.approx((centred @ centred.T).min(), abs=1e-6)
    assert text.least == pytest.approx((texts @ centred.T).min(), abs=1e-6)
    assert text.samples is None
    searcher = Searcher(bundle, Searcher.open(deployed.bundle).index)
    [answer] = searcher.search("on white ground", images=seen[0], compose="basic", k=3)
    assert len(answer.hits) == 3
