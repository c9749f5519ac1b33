"""Images that lists name are found in any copy's layout, and none is taken for another."""

from __future__ import annotations

import os

import pytest
from PIL import Image

from zscr.data.collection import new_collection
from zscr.data.sources.annotated import add_image, locate
from zscr.errors import InputError

NAMES = ["set/autumn/fishing_rod/1.jpg", "set/autumn/dog/1.jpg", "set/dim/dog/1.jpg"]


def tree(top, *names):
    """Write files that hold their own names."""
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)
    return top


@pytest.mark.parametrize(
    "folder",
    ["data/set", "set", "", "DG/", "x/y/set"],
)
def test_the_folder_that_names_are_relative_to_is_found(tmp_path, folder):
    """Whole names, names without their first part, at the top or below it."""
    shown = [f"{folder}/{name.removeprefix('set/')}".strip("/") for name in NAMES]
    found = locate(NAMES, tree(tmp_path, *shown))
    assert not found.missing
    assert {name: os.path.relpath(file, tmp_path) for name, file in found.files.items()} == dict(
        zip(NAMES, map(os.path.normpath, shown), strict=True)
    )


def test_parts_of_a_set_may_lie_apart(tmp_path):
    """Each folder of the lists is looked for by itself."""
    tree(tmp_path, "autumn/fishing_rod/1.jpg", "autumn/dog/1.jpg", "more/set/dim/dog/1.jpg")
    assert not locate(NAMES, tmp_path).missing


def test_an_image_is_never_taken_for_another(tmp_path):
    """With all of `dim` gone its dog is missing: the one of `autumn` has the same last parts."""
    tree(tmp_path, *NAMES[:2])
    found = locate(NAMES, tmp_path)
    assert found.missing == ("set/dim/dog/1.jpg",)
    with pytest.raises(InputError, match=r"lacks 1 of the 3 images .*dim/dog/1\.jpg; .*--skip"):
        found.require(tmp_path, skip=False)
    found.require(tmp_path, skip=True)
    with pytest.raises(InputError, match="lacks 3 of the 3 images"):
        locate(NAMES, tree(tmp_path / "other", "x.jpg")).require(tmp_path, skip=True)


def test_one_image_of_a_thousand_is_found(tmp_path):
    """However little of a set is there, and however it lies."""
    names = [f"set/part/class/{number}.jpg" for number in range(1000)]
    found = locate(names, tree(tmp_path, "class/977.jpg"))
    assert [*found.files] == ["set/part/class/977.jpg"]
    assert len(found.missing) == 999


def test_links_to_what_is_gone_and_folders_are_missing(tmp_path):
    """A name that leads to no file is counted, not skipped as damaged; links are followed."""
    tree(tmp_path, "elsewhere.jpg", "set/dim/dog/1.jpg/x")
    for name, target in zip(NAMES[:2], ("elsewhere.jpg", "gone.jpg"), strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).symlink_to(tmp_path / target)
    assert locate(NAMES, tmp_path).missing == tuple(NAMES[1:])


def test_spaces_and_underscores_are_alike(tmp_path):
    """As published, as renamed, without either; a file that is called as written is preferred."""
    for number, name in enumerate(("fishing rod/1.jpg", "fishing_rod/1.jpg", "fishingrod/1.jpg")):
        top = tree(tmp_path / str(number), f"set/autumn/{name}")
        assert locate(NAMES[:1], top).files[NAMES[0]].read_text() == f"set/autumn/{name}"
    top = tree(tmp_path / "both", NAMES[0], "set/autumn/fishing rod/1.jpg")
    assert locate(NAMES[:1], top).files[NAMES[0]].read_text() == NAMES[0]
    two = ["set/a_b/1.jpg", "set/c/1.jpg"]
    top = tree(tmp_path / "two", "set/a b/1.jpg", "set/ab/1.jpg", "set/c/1.jpg")
    with pytest.raises(InputError, match="'a_b' could be 'a b' or 'ab'"):
        locate(two, top)
    tree(top, *(f"right/{name}" for name in two))  # what is unclear elsewhere does not matter
    assert not locate(two, top).missing
    with pytest.raises(InputError, match="meant by two names each"):
        locate(["s/a_b/1.jpg", "s/ab/1.jpg"], tree(tmp_path / "one", "s/a b/1.jpg"))


def test_suffixes_are_tried_in_order(tmp_path):
    """`dev-1` is `dev-1.png` or `dev-1.jpg`."""
    tree(tmp_path, "dev/dev-1.jpg", "dev/dev-2.png", "dev/dev-2.jpg")
    found = locate(["./dev/dev-1", "dev/dev-2"], tmp_path, (".png", ".jpg"))
    assert [file.name for file in found.files.values()] == ["dev-1.jpg", "dev-2.png"]


@pytest.mark.parametrize("name", ["../a.jpg", "/a.jpg", "a/../../b.jpg", "a\\b.jpg"])
def test_lists_that_lead_out_are_refused(tmp_path, name):
    """Whatever a list says, only what lies in the source is read."""
    tree(tmp_path, "top/x.jpg", "a.jpg")
    with pytest.raises(InputError, match="the lists name the image"):
        locate([name], tmp_path / "top")


def test_images_are_linked_and_damaged_ones_told(tmp_path):
    """One content, two names on the disk; what cannot be decoded is recorded."""
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"\x89PNG cut off")
    with new_collection(tmp_path / "out", name="n", protocol="p", provenance={}) as draft:
        assert add_image(draft, tmp_path / "a.png", "x/a.png") == "images/x/a.png"
        assert add_image(draft, tmp_path / "b.png", "x/b.png") is None
    assert os.path.samefile(tmp_path / "a.png", tmp_path / "out/images/x/a.png")
    assert '"x/b.png"' in (tmp_path / "out/errors.jsonl").read_text()
