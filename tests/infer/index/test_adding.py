"""Images that come in parts: each a commit, and together what they are in one."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.infer.index.conftest import SPACE, unit
from zscr.artefact import hash_file
from zscr.blocks import BLOCK
from zscr.errors import InputError
from zscr.infer.index.add import add_images
from zscr.infer.index.index import Change, Entry, Index
from zscr.infer.index.sync import sync_images


def both(bundle, base, make):
    """Do the same in parts of two, and in one; return what became of each."""
    done = make(base / "parts", 2), make(base / "whole", 999)
    indexes = [Index.open(each.index.folder) for each in done]
    return done, indexes


def about(added, index):
    """Return all that is told of an index, but for the number of commits."""
    report = added.report
    counts = report.added, report.replaced, report.moved, report.removed, report.unchanged
    rows = sorted(zip(index.entries, np.asarray(index.vectors).tolist(), strict=True), key=str)
    skipped = sorted(row["image"] for row in added.skipped)
    listed = sorted(row["image"] for row in index.errors)
    return counts, skipped, listed, rows, index.how, index.calibrations, index.roots, added.twins


def test_parts_become_what_one_commit_does(bundle, tmp_path, images, counted):
    """New images, twins and bad ones; then others that replace, move and are gone."""
    paths = images(9)
    paths[0].write_text("no image")  # all of the first part: nothing is made yet
    paths[1].write_text("neither")
    shutil.copy(paths[2], paths[8])  # which comes in another part
    sizes = counted(bundle.gallery)

    def add(folder, part):
        return add_images(bundle, folder, [tmp_path / "images"], part=part)

    done, (parts, whole) = both(bundle, tmp_path, add)
    assert about(done[0], parts) == about(done[1], whole)
    assert (parts.generation, whole.generation, sum(sizes)) == (4, 1, 12)
    assert parts.entries == whole.entries
    shutil.copy(paths[3], tmp_path / "images/moved.png")
    paths[3].unlink()
    paths[4].unlink()
    paths[5].write_text("spoilt")
    images(4, "images/more", seed=11)
    paths[6].write_bytes((tmp_path / "images/more/03.png").read_bytes())

    def sync(folder, part):
        return sync_images(bundle, folder, [tmp_path / "images"], part=part)

    done, (parts, whole) = both(bundle, tmp_path, sync)
    assert about(done[0], parts) == about(done[1], whole)
    assert about(done[0], parts)[0] == (4, 1, 1, 2, 3)
    assert (parts.generation, whole.generation) == (7, 2)


def test_nothing_is_made_of_parts_that_are_all_bad(bundle, tmp_path, images):
    """As of one: the count is that of all of them."""
    for path in images(5):
        path.write_text("no image")
    with pytest.raises(InputError, match="none of the 5 images can be used, first: .*00.png"):
        add_images(bundle, tmp_path / "index", [tmp_path / "images"], part=2)
    assert not (tmp_path / "index").exists()


def test_what_concerns_all_rows_waits_for_the_last_part(tmp_path, entries, embed):
    """Until then it is told; a change of nothing does it for whoever was killed before that."""
    first = {"space": SPACE, "bundle_name": "b", "queries": embed(entries[:3])}
    vectors = embed(entries)
    about = {**first, "entries": entries[:6], "vectors": vectors[:6]}
    index = Index.create(tmp_path / "index", **about, more=True)
    for start in range(6, 60, 6):
        rows = slice(start, start + 6)
        index.apply(Change(entries[rows], vectors[rows], more=True))
    read = Index.open(tmp_path / "index")
    assert read.how == "exact: it is measured once all images are added"
    assert (len(read.now.stack.segments), read.now.unmeasured) == (10, 60)
    assert [own[0].entry for own in read.search(vectors, 1)] == entries
    assert index.apply(Change(more=True)).generation == 10
    assert index.apply(Change()).generation == 11
    read = Index.open(tmp_path / "index")
    assert read.how.startswith("exact: 60 items are fewer")
    assert (len(read.now.stack.segments), read.now.unmeasured) == (1, 0)
    assert index.apply(Change()).generation == 11
    assert [own[0].entry for own in read.search(vectors, 1)] == entries


def test_large_segments_are_not_kept_in_memory(tmp_path):
    """Neither what was written last nor what was merged: it is read from their files."""
    count, dim = BLOCK // 1024 + 100, 256
    vectors = unit(np.random.default_rng(0).normal(size=(3 * count, dim)))
    entries = [Entry(f"{number}", f"{number}") for number in range(3 * count)]
    about = {"space": SPACE, "bundle_name": "b", "search": "exact"}
    first = {"entries": entries[:count], "vectors": vectors[:count]}
    index = Index.create(tmp_path / "index", **first, **about)
    for start in (count, 2 * count):
        rows = slice(start, start + count)
        index.apply(Change(entries[rows], vectors[rows]))
    index.apply(Change(removals=["7", f"{count}"]))
    left = np.delete(np.arange(3 * count), [7, count])
    for _ in range(2):
        assert all(one.file for one in index.now.stack.segments if one.count)
        np.testing.assert_array_equal(index.vectors, vectors[left])
        assert [int(entry.id) for entry in index.entries] == left.tolist()
        index.compact()
    assert len(index.now.stack.segments) == 1


KILLED = """
import shutil

from zscr.infer.bundle import Bundle
from zscr.infer.index.add import add_images
from zscr.infer.index.index import Index
from zscr.infer.runners.runner import Runtime

bundle = Bundle.open(Path(sys.argv[1]), Runtime(threads=1))
base, images = Path(sys.argv[2]), Path(sys.argv[3])
count(bundle.gallery)

def add():
    add_images(bundle, folder, [images], shard=2, part=4)

def state(folder):
    index = Index.open(folder)
    assert [m.entry.id for [m] in index.search(index.vectors, 1)] == [e.id for e in index.entries]
    return {entry.id: entry.sha256 for entry in index.entries}, index.how

for calls in range(0, 400, 3):
    folder = base / str(calls) / "index"
    folder.parent.mkdir(parents=True)
    died = killed(add, calls)
    found = state(folder) if folder.exists() else ({}, "")
    kept = [int(path.stem.rpartition(".")[2]) for path in folder.parent.glob(".*/*.npy")]
    rows = rows_of(add)
    print(json.dumps([died, found, rows, kept, state(folder), sorted(os.listdir(folder.parent))]))
    if not died:
        break
"""


def test_killed_between_parts_it_holds_those_before(bundle, tmp_path, images, run_killed):
    """What is there is searched and says that more is to come; the same command embeds the rest."""
    new = {f"images/{path.name}": hash_file(path) for path in images(10)}
    seen = run_killed(KILLED, bundle.folder, tmp_path, tmp_path / "images")
    assert not seen[-1][0]
    counts = [len(found) for _, (found, _), *_ in seen]
    assert counts == sorted(counts)
    assert set(counts) == {0, 4, 8, 10}
    names = list(new.items())
    assert all(found == dict(names[: len(found)]) for _, (found, _), *_ in seen)
    for _, (found, how), rows, kept, (after, told), left in seen:
        assert how[:10] == ("exact: 10 " if len(found) == 10 else "exact: it "[: len(how)])
        assert (after, told[:10], left) == (new, "exact: 10 ", ["index"])
        assert rows <= 10 - len(found)
        assert max(kept, default=0) <= 4  # no more than a part waits beside the index
    rows = [rows for _, _, rows, *_ in seen]
    assert rows == sorted(rows, reverse=True)
    assert set(rows) == {10, 8, 6, 4, 2, 0}  # of a part, a shard at most is lost
