"""A published model's bundle, made by its own export with a mapper: real photos and captions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="needs the extra 'train'")
pytest.importorskip("onnxruntime", reason="needs the extra 'cpu'")

from tests.cpp.composed_answers import TOLERANCE, asked, told, worst
from tests.export.pretrained.conftest import saved as saved
from tests.export.pretrained.test_composed import composed as composed
from tests.export.pretrained.test_composed import mapper as mapper
from zscr.data.records import Query
from zscr.infer.bundle import Bundle
from zscr.infer.index.index import Entry, Index
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher

pytestmark = pytest.mark.realdata


def test_photos_and_captions(
    library: Any,
    composed: Callable[[str], Bundle],
    realdata_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    """A photo of flickr8k and another one's caption, 80 times: as Python answers them."""
    folder = realdata_folder("flickr8k_1k")
    lines = (folder / "captions.txt").read_text(encoding="utf-8").splitlines()[1::7]
    captions = [line.partition(",")[2] for line in lines]
    photos = sorted((folder / "images").iterdir())[:300]
    bundle = composed("clip")
    rows = bundle.gallery.encode(Query.of("image", photos))
    entries = [Entry(one.name, f"{n:064x}", str(one)) for n, one in enumerate(photos)]
    about = {"space": bundle.space, "bundle_name": bundle.name}
    Index.create(tmp_path / "index", entries=entries, vectors=rows, **about)
    ours = library.open(bundle.folder, tmp_path / "index")
    theirs = Searcher.open(bundle.folder, tmp_path / "index", Runtime(threads=1))
    assert np.unique(rows, axis=0).shape == rows.shape
    lot = np.random.default_rng(4)
    for name in theirs.bundle.composed[frozenset({"image", "text"})]:
        chosen = lot.choice(len(photos), 80)
        queries = [
            Query(str(n), text=captions[lot.integers(len(captions))], image=photos[n], compose=name)
            for n in chosen
        ]
        if name == "pic2word":
            queries += [Query("s", text="a drawing of * , outside", image=photos[7], compose=name)]
        pairs = asked((ours, theirs), queries)
        mine, wanted = told(pairs)
        assert mine == wanted, name
        assert worst(pairs) <= TOLERANCE.get(name, 0), name
        assert all(one.hits for one, _ in pairs)
