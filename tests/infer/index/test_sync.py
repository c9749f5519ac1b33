"""An index follows its folders: whatever happens to them, it becomes what a new one would be."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from zscr.data.walk import WalkRules
from zscr.errors import InputError
from zscr.infer.bundle import Bundle
from zscr.infer.index.add import add_images
from zscr.infer.index.index import Index
from zscr.infer.index.remove import remove_images
from zscr.infer.index.sync import preview_sync, sync_images
from zscr.infer.index.upkeep.verify import verify_images
from zscr.infer.runners.runner import Runtime

NAMES = ("a.png", "b.png", "sub/c.png", "sub/d.png", "e\u0301.png")


def paint(path, content):
    """Make an image that is one of a few; 9 is none at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if content == 9:
        path.write_text("no image")
    else:
        Image.new("RGB", (9, 9), (20 * content, 99, 250 - 30 * content)).save(path)


def state(index):
    """Return id -> content and path, and the vectors by ids: all but the order of the rows."""
    order = sorted(range(index.count), key=lambda row: index.entries[row].id)
    entries = {index.entries[row].id: index.entries[row] for row in order}
    return {name: (e.sha256, e.image) for name, e in entries.items()}, index.vectors[order]


def counts(synced):
    report = synced.report
    return report.added, report.replaced, report.moved, report.removed, report.unchanged


STEPS = st.one_of(
    st.tuples(st.just("paint"), st.sampled_from(NAMES), st.sampled_from([0, 1, 2, 9])),
    st.tuples(st.just("unlink"), st.sampled_from(NAMES)),
    st.tuples(st.just("rename"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.tuples(st.sampled_from(["add", "sync", "remove"]), st.sampled_from(["", "sub", "a.png"])),
)


@settings(max_examples=10)
@given(st.lists(STEPS, max_size=10), st.sampled_from([1, 2, 99]))
def test_any_history_equals_a_new_index(bundle_folder, tmp_path_factory, steps, part):
    """Painted, renamed, deleted, added, synced and removed at will, in parts; synced once more."""
    bundle = Bundle.open(bundle_folder, Runtime(threads=1))
    base = tmp_path_factory.mktemp("history")
    photos, folder = base / "photos", base / "index"
    paint(photos / "stays.png", 5)
    add_images(bundle, folder, [photos])
    for kind, name, *more in steps:
        path = photos / name
        if kind == "paint":
            paint(path, *more)
        elif kind == "unlink":
            path.unlink(missing_ok=True)
        elif kind == "rename" and path.exists():
            (photos / more[0]).parent.mkdir(exist_ok=True)
            path.rename(photos / more[0])
        elif kind == "add" and path.exists() and path != photos / "sub":
            add_images(bundle, folder, [path], part=part)
        elif kind in ("sync", "remove") and path.exists():
            with suppress(InputError):  # nothing would be left, or there is nothing to remove
                if kind == "sync":
                    sync_images(bundle, folder, [path], all_may_go=True, part=part)
                else:
                    remove_images(folder, [str(path)])
    index = sync_images(bundle, folder, [photos], part=part).index
    fresh = add_images(bundle, base / "fresh", [photos])
    (have, rows), (want, expected) = state(Index.open(folder)), state(fresh.index)
    assert have == want == state(index)[0]
    np.testing.assert_allclose(rows, expected, atol=1e-6)
    assert {row["image"] for row in index.errors} == {row["image"] for row in fresh.skipped}
    for at, entry in enumerate(index.entries):  # rows and labels belong together
        assert index.search(index.vectors[at : at + 1], 1)[0][0].entry.sha256 == entry.sha256


def test_a_move_costs_no_embedding(bundle, tmp_path, images, counted):
    """Renamed, moved, swapped and copied files are found again by their content."""
    paths, folder = images(6, "photos"), tmp_path / "index"
    before = add_images(bundle, folder, [tmp_path / "photos"]).index
    searcher = Index.open(folder)
    (tmp_path / "photos/deep").mkdir()
    paths[0].rename(tmp_path / "photos/deep/new.png")
    swap = paths[1].read_bytes()
    paths[1].write_bytes(paths[2].read_bytes())
    paths[2].write_bytes(swap)
    shutil.copy(paths[3], tmp_path / "photos/copy.png")
    paths[4].unlink()
    sizes = counted(bundle.gallery)
    preview = preview_sync(bundle, folder, [tmp_path / "photos"])
    assert (Index.open(folder).generation, preview.embedded) == (1, 0)
    synced = sync_images(bundle, folder, [tmp_path / "photos"])
    assert counts(synced) == (1, 2, 1, 1, 2)
    report = preview.report
    assert (report.added, report.replaced, report.moved, report.removed) == (1, 2, 1, 1)
    assert sizes == []
    np.testing.assert_array_equal(
        synced.index.embedded(["photos/deep/new.png"])[0], before.embedded(["photos/00.png"])[0]
    )
    assert searcher.search(searcher.vectors[4:5], 1)[0][0].entry.id == "photos/04.png"


@pytest.mark.parametrize("search", ["exact", "hnsw"])
def test_rows_move_up_behind_a_removed_one(tmp_path, entries, embed, create, search):
    """Vectors, HNSW's labels, the measurement and later changes all follow."""
    from zscr.infer.index.index import Change

    index = create(tmp_path / "index", entries, search=search)
    gone = [entry.id for entry in entries[::3]]
    report = index.apply(Change(removals=gone))
    left = tuple(entry for number, entry in enumerate(entries) if number % 3)
    assert (report.removed, report.added, index.count) == (20, 0, 40)
    for now in (index, Index.open(tmp_path / "index")):
        assert now.entries == left
        np.testing.assert_array_equal(now.vectors, embed(left))
        assert [found[0].entry for found in now.search(now.vectors, 1)] == list(left)
        assert (now.choice.search, now.choice.pinned) == (search, True)
    assert index.apply(Change(entries[:1], embed(entries[:1]))).added == 1
    assert index.search(embed(entries[:1]), 1)[0][0].entry == entries[0]
    with pytest.raises(InputError, match="1 ids to remove are not in the index.*first emu"):
        index.apply(Change(removals=["emu"]))
    with pytest.raises(InputError, match="all 41 images would be removed.*at least one"):
        index.apply(Change(removals=[entry.id for entry in index.entries]))


def test_a_lost_disk_empties_nothing(bundle, tmp_path, images):
    """A folder that is not there, or has nothing, is refused; a word lets it go."""
    images(2, "card")
    images(1, "home")
    folder = tmp_path / "index"
    named = [tmp_path / "card", tmp_path / "home"]
    add_images(bundle, folder, named)
    (tmp_path / "card").rename(tmp_path / "away")
    with pytest.raises(InputError, match="card is not there, and the index has 2 images of it"):
        sync_images(bundle, folder, named)
    (tmp_path / "card").mkdir()
    with pytest.raises(InputError, match="card has no image any more, only nothing.*2 .*--yes"):
        sync_images(bundle, folder, named)
    assert Index.open(folder).count == 3
    synced = sync_images(bundle, folder, named, all_may_go=True)
    assert (counts(synced), synced.index.count) == ((0, 0, 0, 2, 1), 1)
    (tmp_path / "home/00.png").unlink()
    with pytest.raises(InputError, match="at least one"):
        sync_images(bundle, folder, named, all_may_go=True)


def test_images_that_were_emptied_do_not_go_unsaid(bundle, tmp_path, images, capsys):
    """As a failing disk or a cloud's placeholders do: all of them are refused, some are told."""
    paths, folder = images(2, "card"), tmp_path / "index"
    add_images(bundle, folder, [tmp_path / "card", *images(1, "home")])
    paths[0].write_bytes(b"")
    emptied = paths[1].read_bytes()
    paths[1].write_bytes(b"")
    with pytest.raises(InputError, match="none of the 2 images can be used any more.*empty.*--yes"):
        sync_images(bundle, folder, [tmp_path / "card"])
    assert Index.open(folder).count == 3
    paths[1].write_bytes(emptied)
    assert sync_images(bundle, folder, [tmp_path / "card"]).report.removed == 1
    assert "1 images cannot be used any more and will be removed\n" in capsys.readouterr().err
    paths[1].write_bytes(b"")
    assert sync_images(bundle, folder, [tmp_path / "card"], all_may_go=True).index.count == 1


def test_what_cannot_be_read_may_still_be_there(bundle, tmp_path, images, monkeypatch):
    """Images of a folder that fails to open stay; so does one whose own bytes do."""
    paths = images(3, "photos")
    (tmp_path / "photos/sub").mkdir()
    paths[0].rename(tmp_path / "photos/sub/00.png")
    folder = tmp_path / "index"
    add_images(bundle, folder, [tmp_path / "photos"])
    scandir = os.scandir

    def failing(path):
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", failing)  # root may read everything
    paths[1].unlink()
    paths[1].symlink_to("/proc/self/mem")
    synced = sync_images(bundle, folder, [tmp_path / "photos"])
    assert (synced.report.removed, synced.index.count) == (0, 3)
    assert synced.passed == {"unreadable folders": 1}
    stat = os.stat

    def closed(path, **how):
        if Path(path).parent.name == "sub":
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr(os, "stat", closed)
    report = verify_images(folder)  # nor is it missing
    assert (report.missing, len(report.changed), len(report.unreadable)) == ((), 0, 2)


def test_the_way_of_walking_is_remembered(bundle, tmp_path, images):
    """What was excluded, and whether links were followed, holds for later syncs, below, too."""
    images(2, "photos")
    images(1, "outside")
    (tmp_path / "photos/more").symlink_to(tmp_path / "outside")
    (tmp_path / "photos/raw").mkdir()
    shutil.copy(tmp_path / "photos/00.png", tmp_path / "photos/raw/x.png")
    folder, rules = tmp_path / "index", WalkRules(("raw/",), follow_links=True)
    add_images(bundle, folder, [tmp_path / "photos"], rules=rules)
    for named in ("photos", "photos/raw"):
        index = sync_images(bundle, folder, [tmp_path / named]).index
    assert sorted(e.id for e in index.entries) == [
        "photos/00.png",
        "photos/01.png",
        "photos/more/00.png",
    ]
    assert Index.open(folder).roots[0].passed == {"excluded folders": 1}


def test_removing_by_ids_and_paths(bundle, tmp_path, images, monkeypatch):
    """Of files that are there or not, of folders; what is unknown stops all of it."""
    paths, folder = images(5, "photos"), tmp_path / "index"
    add_images(bundle, folder, [tmp_path / "photos"])
    with pytest.raises(InputError, match="no image called photos/09.png, nor one at"):
        remove_images(folder, ["photos/00.png", "photos/09.png"])
    assert Index.open(folder).count == 5
    paths[1].unlink()
    names = ["photos/00.png", str(paths[1]), str(paths[0])]
    assert remove_images(folder, names, dry_run=True).removed == 2
    assert Index.open(folder).count == 5
    assert remove_images(folder, names).removed == 2
    assert [entry.id for entry in Index.open(folder).entries] == [
        f"photos/0{n}.png" for n in (2, 3, 4)
    ]
    with pytest.raises(InputError, match="all 3 images would be removed"):
        remove_images(folder, [str(tmp_path / "photos")])
    (tmp_path / "else").mkdir()
    add_images(bundle, folder, [shutil.copytree(tmp_path / "photos", tmp_path / "else/photos")])
    monkeypatch.chdir(tmp_path / "else")  # where an id is the path of another image
    with pytest.raises(InputError, match="id of .* and the path of another image"):
        remove_images(folder, ["photos/02.png"])
    with pytest.raises(InputError, match="to remove is empty"):  # as a script's variable may be
        remove_images(folder, [""])
    (tmp_path / "else/bad.png").write_text("text")
    skipped = add_images(bundle, folder, [tmp_path / "else"]).index.errors
    assert remove_images(folder, [skipped[0]["image"]]).removed == 0  # it leaves the list alone
    assert Index.open(folder).errors == ()
    add_images(bundle, folder, [tmp_path / "else"])
    assert remove_images(folder, ["./photos/02.png"]).removed == 1
    remove_images(folder, [str(tmp_path / "else")])
    assert Index.open(folder).errors == ()
    add_images(bundle, folder, [tmp_path / "else"])
    assert "photos/02.png" in {entry.id for entry in Index.open(folder).entries}
