"""What an image is: its place below a root, whatever it is called by, and its content."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest

from zscr.errors import InputError
from zscr.infer.index.add import add_images
from zscr.infer.index.index import Index
from zscr.infer.index.relocate import relocate_root
from zscr.infer.index.remove import remove_images
from zscr.infer.index.sync import sync_images


def ids(index):
    return [entry.id for entry in index.entries]


@pytest.mark.parametrize("at_once", [True, False])
def test_two_cards_are_two_folders(bundle, tmp_path, images, at_once):
    """Folders of one name overwrite nothing; the older name stays when others come."""
    for card in ("c1", "c2", "deep/c2"):
        images(2, "DCIM", seed=len(card))
        (tmp_path / card).mkdir(parents=True)
        (tmp_path / "DCIM").rename(tmp_path / card / "DCIM")
    named = [tmp_path / card / "DCIM" for card in ("c1", "c2", "deep/c2")]
    for some in [named] if at_once else [[each] for each in named]:
        index = add_images(bundle, tmp_path / "index", some).index
    roots = ("DCIM", "DCIM@c2", "DCIM@c2@deep")
    assert ids(index) == [f"{root}/0{n}.png" for root in roots for n in range(2)]
    assert [root.path for root in index.roots] == list(map(str, named))
    assert [e.image for e in index.entries] == [str(f / f"0{n}.png") for f in named for n in (0, 1)]


def test_a_file_named_in_any_way_is_one_image(bundle, tmp_path, images, monkeypatch):
    """By a dot, a detour, a link, a linked folder; in one go and in several."""
    images(2, "photos")
    (tmp_path / "link.png").symlink_to(tmp_path / "photos/00.png")
    (tmp_path / "also").symlink_to(tmp_path / "photos")
    (tmp_path / "photos/twin.png").symlink_to("00.png")
    monkeypatch.chdir(tmp_path / "photos")
    ways = ["00.png", "./00.png", "../photos/00.png", "../link.png", "../also/00.png", "twin.png"]
    index = add_images(bundle, tmp_path / "index", list(map(Path, ways))).index
    assert ids(index) == ["photos/00.png"]
    for way in [*ways, "."]:
        index = add_images(bundle, tmp_path / "index", [Path(way)]).index
    assert ids(index) == ["photos/00.png", "photos/01.png"]
    assert [root.name for root in index.roots] == ["photos"]


@pytest.mark.parametrize("first", ["photos", "photos/2024"])
def test_roots_that_overlap_share_images(bundle, tmp_path, images, first):
    """Whichever came first: an image keeps its id, and is there once."""
    images(3, "photos")
    (tmp_path / "photos/2024").mkdir()
    (tmp_path / "photos/02.png").rename(tmp_path / "photos/2024/02.png")
    add_images(bundle, tmp_path / "index", [tmp_path / first])
    for named in ("photos", "photos/2024"):
        index = add_images(bundle, tmp_path / "index", [tmp_path / named]).index
    inner = "2024/02.png" if first == "photos/2024" else "photos/2024/02.png"
    assert sorted(ids(index)) == sorted(["photos/00.png", "photos/01.png", inner])
    both = [tmp_path / "photos/2024", tmp_path / "photos"]
    fresh = add_images(bundle, tmp_path / "fresh", both).index
    assert set(ids(fresh)) == {"photos/00.png", "photos/01.png", "photos/2024/02.png"}


def test_a_file_alone_does_not_make_its_folder_a_root(bundle, tmp_path, images):
    """Folders beside it are called by their own names later on."""
    images(1, "photos")
    shutil.copy(tmp_path / "photos/00.png", tmp_path / "cat.png")
    named = [tmp_path / "cat.png", tmp_path / "photos"]
    assert ids(add_images(bundle, tmp_path / "one", named).index)[1] == "photos/00.png"
    for each in named:
        index = add_images(bundle, tmp_path / "two", [each]).index
    assert ids(index) == [f"{tmp_path.name}/cat.png", "photos/00.png"]


def test_duplicates_are_told_and_linked(bundle, tmp_path, images, counted):
    """Kept, each place is an image; linked, one image knows all, and outlives any of them."""
    paths, sizes = images(2, "photos"), counted(bundle.gallery)
    shutil.copy(paths[0], tmp_path / "photos/copy.png")
    kept = add_images(bundle, tmp_path / "kept", [tmp_path / "photos"])
    assert (kept.twins, kept.index.count, sum(sizes)) == (1, 3, 2)
    linked = add_images(bundle, tmp_path / "linked", [tmp_path / "photos"], linked=True)
    assert (linked.twins, ids(linked.index)) == (1, ["photos/00.png", "photos/01.png"])
    assert linked.index.entries[0].places == (str(paths[0]), str(tmp_path / "photos/copy.png"))
    shutil.copy(paths[1], tmp_path / "photos/third.png")
    paths[0].unlink()
    synced = sync_images(bundle, tmp_path / "linked", [tmp_path / "photos"])
    assert sorted(ids(synced.index)) == ["photos/01.png", "photos/copy.png"]
    again = Index.open(tmp_path / "linked")
    assert (again.entries, again.linked) == (synced.index.entries, True)
    [two] = [entry for entry in again.entries if entry.id == "photos/01.png"]
    assert two.also == (str(tmp_path / "photos/third.png"),)
    parted = sync_images(bundle, tmp_path / "linked", [tmp_path / "photos"], linked=False)
    assert (parted.report.added, parted.index.count, sum(sizes)) == (1, 3, 4)


def test_an_index_moves_with_its_images(bundle, tmp_path, images):
    """And without them, as long as they stay; if they alone move, it is told where to."""
    images(2, "disk")
    (tmp_path / "disk/bad.png").write_text("text")
    folder = tmp_path / "disk" / "index"
    add_images(bundle, folder, [tmp_path / "disk"])
    (tmp_path / "disk").rename(tmp_path / "elsewhere")
    index = Index.open(tmp_path / "elsewhere/index")
    assert [Path(str(entry.image)).is_file() for entry in index.entries] == [True, True]
    assert [row["image"] for row in index.errors] == [str(tmp_path / "elsewhere/bad.png")]
    (tmp_path / "elsewhere/index").rename(tmp_path / "index")
    with pytest.raises(InputError, match="no folder called photos; it has disk"):
        relocate_root(tmp_path / "index", "photos", tmp_path)
    with pytest.raises(InputError, match="none of the 2 images of disk is at .*, such as 00.png"):
        relocate_root(tmp_path / "index", "disk", tmp_path)
    assert relocate_root(tmp_path / "index", "disk", tmp_path / "elsewhere") == (2, 2)
    moved = Index.open(tmp_path / "index")
    assert ids(moved) == ["disk/00.png", "disk/01.png"]
    assert all(Path(str(entry.image)).is_file() for entry in moved.entries)
    np.testing.assert_array_equal(moved.vectors, index.vectors)
    synced = sync_images(bundle, tmp_path / "index", [tmp_path / "elsewhere"])
    assert (synced.report.unchanged, synced.report.removed) == (2, 0)


def test_a_copied_project_is_of_its_own_images(bundle, tmp_path, images):
    """While the original still stands; an image that is then changed there is not the copy's."""
    (tmp_path / "project").mkdir()
    paths, folder = images(2, "project/photos"), tmp_path / "project/index"
    add_images(bundle, folder, [tmp_path / "project/photos"])
    shutil.copytree(tmp_path / "project", tmp_path / "copy")
    paths[0].write_bytes(paths[1].read_bytes())
    copied = Index.open(tmp_path / "copy/index")
    assert {Path(str(one.image)).parent for one in copied.entries} == {tmp_path / "copy/photos"}
    synced = sync_images(bundle, tmp_path / "copy/index", [tmp_path / "copy/photos"])
    assert (synced.report.unchanged, synced.report.added) == (2, 0)


def test_a_file_may_come_to_be_where_a_folder_was(bundle, tmp_path, images):
    """It belongs to the folder around, and the index can still be read."""
    paths, folder = images(2, "photos"), tmp_path / "index"
    content = paths[0].read_bytes()
    add_images(bundle, folder, [tmp_path / "photos"])
    shutil.rmtree(tmp_path / "photos")
    (tmp_path / "photos").write_bytes(content)
    add_images(bundle, folder, [tmp_path / "photos"])
    assert ids(Index.open(folder)) == ["photos/00.png", "photos/01.png", f"{tmp_path.name}/photos"]


def test_a_folder_is_not_relocated_onto_images_of_another(bundle, tmp_path, images):
    """Added under its new name first, a file would be there twice; the way out is told."""
    images(2, "old")
    add_images(bundle, tmp_path / "index", [tmp_path / "old"])
    (tmp_path / "old").rename(tmp_path / "new")
    add_images(bundle, tmp_path / "index", [tmp_path / "new"])
    with pytest.raises(InputError, match="images of 2 files in .*new already.* index remove .*old"):
        relocate_root(tmp_path / "index", "old", tmp_path / "new")
    remove_images(tmp_path / "index", [str(tmp_path / "old")])
    assert ids(Index.open(tmp_path / "index")) == ["new/00.png", "new/01.png"]


def test_a_place_outside_of_its_root_is_damage(bundle, tmp_path, images):
    """A line of a stranger's index leads nowhere else."""
    from zscr.infer.index.roots import Root

    root = Root("photos", str(tmp_path))
    assert root.place("a/b.png") == str(tmp_path / "a/b.png")
    for below in ("../b.png", "/etc/passwd", "a/../../b", ""):
        with pytest.raises(ValueError, match="no path below the root photos"):
            root.place(below)


def test_names_in_any_form_of_unicode_are_one(bundle, tmp_path, images, counted):
    """A disk that another system wrote: no image is new, gone or embedded again."""
    [path] = images(1, "photos")
    name = "\u00e9te\u0301.png"
    spelt = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    path.rename(path.with_name(spelt[1]))
    first = add_images(bundle, tmp_path / "index", [tmp_path / "photos"]).index
    assert ids(first) == [f"photos/{spelt[0]}"]
    path.with_name(spelt[1]).rename(path.with_name(spelt[0]))
    sizes = counted(bundle.gallery)
    index = sync_images(bundle, tmp_path / "index", [tmp_path / "photos"]).index
    assert (ids(index), sizes) == (ids(first), [])
    assert [entry.image for entry in index.entries] == [str(path.with_name(spelt[0]))]
    shutil.copy(path.with_name(spelt[0]), path.with_name(spelt[1]))  # both at once are two
    both = sync_images(bundle, tmp_path / "index", [tmp_path / "photos"]).index
    assert ids(both) == [f"photos/{spelt[0]}", f"photos/{spelt[0]}~2"]


def test_a_name_that_is_not_utf8_is_listed(bundle, tmp_path, images):
    """As a folder's image or named itself; the others are indexed, and every file stays UTF-8."""
    [path, other] = images(2, "photos")
    bad = os.fsencode(tmp_path / "photos") + b"/caf\xe9.png"
    os.rename(path, bad)
    for named in ([tmp_path / "photos"], [Path(os.fsdecode(bad)), other]):
        folder = tmp_path / f"index{len(named)}"
        added = add_images(bundle, folder, named)
        assert ids(added.index) == ["photos/01.png"]
        [row] = Index.open(folder).errors
        assert row["image"] == str(tmp_path / "photos/caf\\xe9.png")
        assert "is not UTF-8; rename it" in row["reason"]
        for file in folder.glob("*.json*"):
            for line in file.read_bytes().decode("utf-8").splitlines():
                assert "\\udc" not in line
        assert json.loads((folder / "manifest.json").read_bytes())["roots"][0]["name"] == "photos"
