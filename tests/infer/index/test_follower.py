"""An index that others change while it is open: seen, or told, and never half of each."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.infer.index.conftest import SPACE
from zscr.infer.index.follower import Follower
from zscr.infer.index.index import Change, Entry, Index


@pytest.fixture
def followed(tmp_path, entries, create):
    """An index of 60 images that is followed, and its folder."""
    create(tmp_path / "index", entries)
    return Follower(Index.open(tmp_path / "index")), tmp_path / "index"


def change(folder, entry, embed, name="late"):
    """Add an image, as another process would."""
    Index.open(folder).apply(Change([entry(name)], embed([entry(name)])))


def test_another_writers_generation_is_seen(followed, entry, embed):
    """At the next look, also if it came between opening and the first look."""
    follower, folder = followed
    change(folder, entry, embed, "first")
    assert (follower.look(), follower.index.count) == (None, 61)
    change(folder, entry, embed, "second")
    assert (follower.look(), follower.index.count) == (None, 62)
    held = follower.index.vectors
    assert (follower.look(), follower.index.vectors is held) == (None, True)


def test_what_cannot_be_used_is_told_while_the_old_goes_on(followed, entry, embed):
    """Damaged, of another space, or gone; and what comes after it is seen."""
    follower, folder = followed
    change(folder, entry, embed)
    segment = folder / "segment.2.safetensors"
    sound = segment.read_bytes()
    segment.write_bytes(sound[:-1] + b"x")
    for _ in range(2):
        assert "answered from generation 1: " in follower.look()
        assert "segment.2.safetensors is damaged" in follower.look()
    assert follower.index.count == 60
    segment.write_bytes(sound)
    change(folder, entry, embed, "later")
    assert (follower.look(), follower.index.count) == (None, 62)
    shutil.rmtree(folder)
    assert "answered from generation 3: " in follower.look()
    assert follower.index.count == 62


def test_an_index_of_another_space_is_not_followed(followed, tmp_path, entries, create):
    """Its vectors mean something else."""
    follower, folder = followed
    shutil.rmtree(folder)
    create(folder, entries[:5], space="c" * 64)
    assert "in the space ccc" in follower.look()
    assert follower.index.count == 60


def test_hnsw_that_is_loaded_stays(tmp_path, clustered):
    """As long as its file does: new rows are found beside it, gone ones by it no more."""
    vectors = clustered(1200, 16)
    entries = [Entry(f"{number}", f"{number}") for number in range(1200)]
    about = {"space": SPACE, "bundle_name": "b", "search": "hnsw"}
    first = {"entries": entries[:1100], "vectors": vectors[:1100]}
    Index.create(tmp_path / "index", **first, **about)
    follower = Follower(Index.open(tmp_path / "index"))
    follower.look()
    own = follower.index
    assert [m.entry.id for [m] in own.search(vectors[[5, 6]], 1)] == ["5", "6"]
    loaded = own.now.hnsw
    change = Change(entries[1100:1110], vectors[1100:1110], removals=["5"])
    Index.open(tmp_path / "index").apply(change)
    assert (follower.look(), own.count) == (None, 1109)
    assert own.now.hnsw is loaded
    asked = vectors[[6, 1105, 5]]
    found = [m.entry.id for [m] in own.search(asked, 1)]
    assert found == [m.entry.id for [m] in own.search(asked, 1, exact=True)]
    assert found[:2] == ["6", "1105"]
    assert found[2] != "5"
    assert 5 in loaded.loaded.hidden
    Index.open(tmp_path / "index").rebuild()
    assert (follower.look(), own.now.hnsw is loaded) == (None, False)
    np.testing.assert_array_equal(
        own.now.hnsw.labels, np.sort(own.now.stack.labels(np.arange(1109)))
    )
