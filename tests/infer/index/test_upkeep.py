"""Compacting, rebuilding, repairing and merging: no image is lost unsaid, and none comes back."""

from __future__ import annotations

import numpy as np
import pytest

from tests.infer.index.conftest import SPACE, unit
from zscr.blocks import BLOCK
from zscr.errors import ArtefactError, InputError, MismatchError
from zscr.infer.index.index import Change, Entry, Index
from zscr.infer.index.upkeep.joining import join
from zscr.infer.index.upkeep.repair import repair
from zscr.infer.index.upkeep.verify import verify_index


@pytest.fixture
def changed(tmp_path, entries, entry, embed, create):
    """An index with HNSW of four segments, of which rows have ended; and its folder."""
    folder = tmp_path / "index"
    create(folder, entries, search="hnsw")
    for number in range(3):
        arrived = [entry(f"late {number}"), entry(f"bird {number}", 1)]
        change = Change(arrived, embed(arrived), removals=[f"bird {30 + number}"])
        Index.open(folder).apply(change)
    return folder


def answers(index, queries):
    return [[(m.entry, m.score) for m in own] for own in index.search(queries, 5, exact=True)]


def test_compacting_changes_no_answer(changed, entry, embed):
    """One segment, no ended row, the same rows with the same labels; then nothing is left to do."""
    index, queries = Index.open(changed), embed([entry("a"), entry("b")])
    before, labels = answers(index, queries), index.now.stack.labels(np.arange(index.count))
    assert (len(index.now.stack.segments), index.count) == (4, 60)
    assert index.compact()
    read = Index.open(changed)
    assert [*map(len, read.now.stack.ended)] == [0]
    assert answers(read, queries) == before
    np.testing.assert_array_equal(read.now.stack.labels(np.arange(60)), labels)
    assert verify_index(changed).self_recall == 1
    assert not read.compact()
    assert read.generation == index.generation


def test_rebuilding_drops_what_hnsw_has_no_more(changed, entry, embed):
    """Its labels are those of the rows that are there; float16 halves the vectors, and stays."""
    index = Index.open(changed)
    index.rebuild()
    labels = index.now.stack.labels(np.arange(60))
    np.testing.assert_array_equal(Index.open(changed).now.hnsw.labels, np.sort(labels))
    wide = np.asarray(index.vectors)
    index.rebuild(stored="float16")
    index.apply(Change([entry("last")], embed([entry("last")])))
    read = Index.open(changed)
    assert (read.vectors.dtype, read.count) == (np.float16, 61)
    np.testing.assert_array_equal(read.vectors[:60], wide.astype(np.float16))
    assert verify_index(changed).self_recall == 1


def damage(path, at=-1):
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)


def test_what_can_be_made_anew_is(changed, entry, embed):
    """HNSW comes from the vectors, and no image is lost."""
    before = answers(Index.open(changed), embed([entry("a")]))
    [hnsw] = changed.glob("hnsw.*")
    damage(hnsw)
    done = repair(changed)
    assert (done.damaged, done.lost, done.left) == ((hnsw.name,), 0, 60)
    assert answers(Index.open(changed), embed([entry("a")])) == before
    assert verify_index(changed).self_recall == 1
    assert repair(changed).damaged == ()


def test_lost_rows_are_given_up_where_they_may_be(tmp_path):
    """Those of the damaged block, and no others; unless it is said that they may go, none."""
    rng, count = np.random.default_rng(0), 3 * BLOCK // 2048
    vectors = unit(rng.normal(size=(count, 512)))
    entries = [Entry(f"{number}", "0") for number in range(count)]
    folder = tmp_path / "index"
    Index.create(folder, space=SPACE, bundle_name="b", entries=entries, vectors=vectors)
    damage(folder / "segment.1.safetensors", 2 * BLOCK + 77)
    with pytest.raises(ArtefactError, match=r"images of .* are lost with segment.1.*; add --yes"):
        repair(folder)
    done = repair(folder, all_may_go=True)
    assert 0 < done.lost <= 2 * BLOCK // 2048
    assert done.left == count - done.lost == verify_index(folder).count
    left = [int(entry.id) for entry in Index.open(folder).entries]
    np.testing.assert_array_equal(Index.open(folder).vectors, vectors[left])


def test_what_was_removed_does_not_come_back(changed):
    """A damaged segment that had ended rows leaves it unknown which: nothing is changed."""
    damage(changed / "segment.3.safetensors")
    held = {path.name: path.read_bytes() for path in changed.iterdir()}
    with pytest.raises(ArtefactError, match="segment 3, which had ended 2 rows of others"):
        repair(changed, all_may_go=True)
    assert {path.name: path.read_bytes() for path in changed.iterdir()} == held


def test_merged_indexes_hold_what_each_held(tmp_path, entries, embed, create):
    """In order, an image of both once; answers are those of an index of all images."""
    create(tmp_path / "one", entries[:40], errors=[{"image": "x", "reason": "y"}])
    create(tmp_path / "two", entries[30:], search="hnsw")
    done = join(tmp_path / "both", [tmp_path / "one", tmp_path / "two"])
    assert (done.twice, done.index.count) == (10, 60)
    read, whole = Index.open(tmp_path / "both"), create(tmp_path / "whole", entries)
    assert read.entries == whole.entries
    np.testing.assert_array_equal(read.vectors, whole.vectors)
    assert read.errors == ({"image": "x", "reason": "y"},)
    assert verify_index(tmp_path / "both").self_recall == 1


def test_indexes_that_do_not_fit_are_not_merged(tmp_path, entries, entry, embed, create):
    """Another space, another image under an id, another type: told, and nothing is made."""
    create(tmp_path / "one", entries[:9])
    create(tmp_path / "space", entries[9:], space="c" * 64)
    create(tmp_path / "other", [entry("bird 3", 1)])
    create(tmp_path / "half", entries[9:], stored="float16")
    for name, error, why in (
        ("space", MismatchError, "merge indexes of one bundle"),
        ("other", InputError, "other images under the id bird 3"),
        ("half", MismatchError, "rebuild .*half --store float32"),
        ("one", InputError, "name two or more"),
    ):
        sources = [tmp_path / each for each in dict.fromkeys(("one", name))]
        with pytest.raises(error, match=why):
            join(tmp_path / "both", sources)
    assert not (tmp_path / "both").exists()


def test_the_recall_that_is_asked_for_is_kept(tmp_path, clustered, entry):
    """It decides which ef is measured to be enough, now and after changes; others are refused."""
    vectors = clustered(1500, 48)
    entries = [entry(f"{number}") for number in range(1500)]
    about = {"space": SPACE, "bundle_name": "b", "search": "hnsw"}
    index = Index.create(tmp_path / "index", entries=entries, vectors=vectors, **about)
    found = []
    for recall in (0.5, 0.999):
        index.rebuild(recall=recall)
        found.append(index.choice)
        assert index.choice.measured.recall_at_10 >= recall
    assert found[0].ef < found[1].ef
    index.apply(Change([entry("late")], clustered(1, 48, seed=1)))
    index.rebuild()
    assert Index.open(tmp_path / "index").choice.recall == 0.999
    with pytest.raises(InputError, match="a recall of 1.5 cannot be"):
        index.rebuild(recall=1.5)
