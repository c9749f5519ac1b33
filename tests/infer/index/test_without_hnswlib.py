"""A runtime without a compiler: HNSW's library is missing, exact search answers, and says so."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.infer.index.conftest import stacked
from zscr.artefact import read_manifest, write_manifest
from zscr.errors import MissingExtraError
from zscr.infer.index.change import Change
from zscr.infer.index.choice import start
from zscr.infer.index.index import Index
from zscr.infer.index.manifest import KIND
from zscr.infer.index.measuring import EXACT_BELOW, choose

PIP = r"pip install 'zscr\[hnsw\]'"


@pytest.fixture
def approximate(clustered, entry, tmp_path):
    """Make an index of 50 images that has HNSW; return its folder and vectors."""
    vectors, folder = clustered(51, 8), tmp_path / "holiday.index"
    entries = [entry(f"{number}") for number in range(50)]
    told = {"space": "s", "bundle_name": "b", "entries": entries, "vectors": vectors[:50]}
    Index.create(folder, **told, search="hnsw")
    return folder, vectors


@pytest.fixture(params=["missing", "broken"])
def without_hnswlib(request, monkeypatch, tmp_path):
    """Hide hnswlib, as where it was never built, or was for another Python."""
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    if request.param == "broken":
        (tmp_path / "hnswlib.py").write_text("raise ImportError('undefined symbol')")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "hnswlib")


def test_a_large_gallery_is_searched_exactly(without_hnswlib):
    """The reason is the library, not a measurement, and nothing is built."""
    gallery = np.eye(2, dtype=np.float32)[np.arange(EXACT_BELOW) % 2]
    before = SimpleNamespace(choice=start(None), hnsw=None)
    refuse = lambda stack: pytest.fail("it built HNSW")  # noqa: E731
    choice, hnsw = choose(stacked(gallery), None, before, refuse, due=True)
    assert (choice.search, hnsw, choice.measured) == ("exact", None, None)
    assert PIP.replace("\\", "") in choice.how


def test_an_index_with_hnsw_answers_exactly(approximate, monkeypatch, entry, capsys):
    """The same images as before, said on stderr; a change commits an index that needs no HNSW."""
    folder, vectors = approximate
    manifest = read_manifest(folder, KIND)
    write_manifest(folder, KIND, manifest.files, {**manifest.body, "pinned": False})
    wanted = Index.open(folder).search(vectors[50:], 10, ef=50)
    monkeypatch.setitem(sys.modules, "hnswlib", None)
    index = Index.open(folder)
    assert index.search(vectors[50:], 10) == wanted
    assert "hnswlib, which HNSW needs, is not installed" in capsys.readouterr().err
    index.apply(Change([entry("new")], vectors[50:]))
    assert not list(folder.glob("hnsw.*"))
    monkeypatch.undo()
    assert Index.open(folder).choice.search == "exact"


def test_hnsw_that_was_asked_for_is_not_replaced(approximate, without_hnswlib):
    """Who pinned it gets the pip line instead of another search."""
    folder, vectors = approximate
    with pytest.raises(MissingExtraError, match=PIP):
        Index.open(folder).search(vectors[50:], 1)
