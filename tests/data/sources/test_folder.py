"""Folders of images: classes, captions, lists, and what cannot be used."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from zscr.data.check import check_collection
from zscr.data.collection import read_collection
from zscr.data.sources.folder import convert_folder
from zscr.errors import ConfigError, InputError


def faults(path):
    """Return what errors.jsonl records, by source."""
    rows = map(json.loads, (path / "errors.jsonl").read_text("utf-8").splitlines())
    return {row["source"]: row["reason"] for row in rows}


def test_folder_becomes_a_collection(image_folder, tmp_path):
    """Images are copied byte by byte, classes split and described."""
    source = image_folder(5, 3)
    convert_folder(source, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert {s: len(c) for s, c in found.splits.items()} == {"seen": 3, "val": 1, "unseen": 1}
    assert len(found.items) == 15
    for item in found.items:
        assert (found.folder / item.image).read_bytes() == (source / item.id).read_bytes()
    assert found.classes["class_0"].descriptions == ("a photo of a class 0",)
    assert check_collection(tmp_path / "out").faults == ()


def test_damaged_images_are_recorded_and_ids_stay(image_folder, tmp_path):
    """A bad image is skipped by name; splits and other ids stay as they were."""
    source = image_folder(5, 3)
    convert_folder(source, tmp_path / "sound")
    (source / "class_1/1.png").write_bytes(b"no image")
    shutil.copy(source / "class_0/0.png", source / "loose.png")
    convert_folder(source, tmp_path / "out")
    sound, found = read_collection(tmp_path / "sound"), read_collection(tmp_path / "out")
    assert found.splits == sound.splits
    assert {i.id for i in sound.items} - {i.id for i in found.items} == {"class_1/1.png"}
    assert faults(tmp_path / "out").keys() == {"class_1/1.png", "loose.png"}


def test_names_that_are_not_utf8_are_recorded(image_folder, tmp_path):
    """Such a name cannot be an id; it is reported with its bytes as escapes."""
    source = image_folder(5, 3)
    os.rename(os.fsencode(source / "class_0/0.png"), os.fsencode(source / "class_0") + b"/\xe9.png")
    convert_folder(source, tmp_path / "out")
    assert faults(tmp_path / "out") == {"class_0/\\xe9.png": "its name is not UTF-8"}


def test_what_is_passed_over_is_counted_and_names_match_in_any_form(image_folder, tmp_path):
    """Hidden and linked folders, what was excluded; lists and captions typed on another system."""
    source = image_folder(5, 2)
    (source / "class_0").rename(source / "e\u0301te")
    (source / "e\u0301te/0.png").rename(source / "e\u0301te/u\u0308.png")
    (source / "unseen.txt").write_text("\u00e9te\n")
    (source / "captions.txt").write_text("\u00fc.png,a boat\n")
    (source / ".cache").mkdir()
    (source / "more").symlink_to(source / "class_1")
    (source / "class_1/clip.mov").write_text("film")
    (source / "class_2/x.tmp.png").write_text("half an image")
    convert_folder(source, tmp_path / "out", exclude=("*.tmp.png",))
    found = read_collection(tmp_path / "out")
    assert found.splits["unseen"] == ("e\u0301te",)
    [item] = [item for item in found.items if item.texts]
    assert (item.id, item.texts) == ("e\u0301te/u\u0308.png", ("a boat",))
    passed = {"hidden folders": 1, "linked folders": 1, "*.mov": 1, "excluded images": 1}
    assert found.manifest.body["provenance"]["passed"] == passed
    assert not (tmp_path / "out/errors.jsonl").exists()


def test_captions_become_texts(image_folder, tmp_path):
    """Header, quotes, unquoted commas, several captions an image; unknown ones are listed."""
    source = image_folder(4, 1)
    (source / "captions.txt").write_text(
        'image,caption\nclass_0/0.png,"red, and ""big"""\nclass_0/0.png,a cat, asleep\n\n'
        "class_1/0.png,ein Käfer\ngone.png,nobody\ngone.png,nobody else\n",
        "utf-8",
    )
    convert_folder(source, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    texts = {item.id: item.texts for item in found.items if item.texts}
    assert texts == {
        "class_0/0.png": ('red, and "big"', "a cat,asleep"),
        "class_1/0.png": ("ein Käfer",),
    }
    assert list(faults(tmp_path / "out")) == ["captions.txt: gone.png"]
    assert found.classes["class_0"].descriptions == ()
    assert found.classes["class_3"].descriptions == ("a photo of a class 3",)


def test_only_the_first_line_can_be_a_header(image_folder, tmp_path):
    """Elsewhere `image` is a name like any other, here one of no image."""
    source = image_folder(4, 1)
    (source / "captions.txt").write_text("class_0/0.png,red\nimage,caption\n")
    convert_folder(source, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert {i.id: i.texts for i in found.items if i.texts} == {"class_0/0.png": ("red",)}
    assert list(faults(tmp_path / "out")) == ["captions.txt: image"]


def test_bare_file_names_find_their_image_only_when_unique(image_folder, tmp_path):
    """`1.png` exists in one class, `0.png` in all four."""
    source = image_folder(4, 1)
    shutil.copy(source / "class_2/0.png", source / "class_2/1.png")
    (source / "captions.txt").write_text("1.png,one\n0.png,which?\n")
    convert_folder(source, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert {i.id: i.texts for i in found.items if i.texts} == {"class_2/1.png": ("one",)}
    assert list(faults(tmp_path / "out")) == ["captions.txt: 0.png"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"class_0/0.png,fine\nclass_1/0.png,caf\xe9\n", "byte 0xe9 in line 2"),
        (b"class_0/0.png,fine\nclass_1/0.png\n", "line 2: expected"),
        (b"class_0/0.png,fine\nclass_1/0.png, \n", "line 2: expected"),
        (b'class_0/0.png,fine\nclass_1/0.png,"open\nand on\n', "line 3"),
        (b"x.png,a\ny.png,b\n", "none of the 4 images"),
        (b"", "none of the 4 images"),
    ],
)
def test_bad_captions_are_refused(image_folder, tmp_path, content, named):
    """The sentence names the line, and no collection appears."""
    source = image_folder(4, 1)
    (source / "captions.txt").write_bytes(content)
    with pytest.raises(InputError, match=named):
        convert_folder(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_lists_replace_the_choice(image_folder, tmp_path):
    """Classes in unseen.txt and val.txt are exactly those splits, whatever the shares."""
    source = image_folder(6, 1)
    (source / "unseen.txt").write_text("class_4\nclass_1\n")
    (source / "val.txt").write_text("class_0\n")
    convert_folder(source, tmp_path / "out", unseen=0.5, val=3)
    splits = read_collection(tmp_path / "out").splits
    assert set(splits["unseen"]) == {"class_1", "class_4"}
    assert splits["val"] == ("class_0",)


@pytest.mark.parametrize(
    ("lists", "named"),
    [
        ({"unseen": "class_1\nclass_2", "val": "class_2"}, "class_2 is in unseen.txt and"),
        ({"unseen": "class_9"}, "class_9"),
        ({"val": "\n"}, "names no class"),
        ({"unseen": "class_0\nclass_1\nclass_2", "val": "class_3"}, "leave no class"),
    ],
)
def test_bad_lists_are_refused(image_folder, tmp_path, lists, named):
    """Overlapping, unknown, empty and all-embracing lists."""
    source = image_folder(4, 1)
    for name, content in lists.items():
        (source / f"{name}.txt").write_text(content)
    with pytest.raises(InputError, match=named):
        convert_folder(source, tmp_path / "out")


def test_unusable_folders_are_refused(image_folder, tmp_path):
    """Too few classes, a split without images, shares that leave nothing, a place inside."""
    with pytest.raises(InputError, match="has 3 class folders"):
        convert_folder(image_folder(3, 1, "few"), tmp_path / "out")
    source = image_folder(4, 1)
    with pytest.raises(InputError, match="lies inside"):
        convert_folder(source, source / "out")
    with pytest.raises(ConfigError, match="leaves none"):
        convert_folder(source, tmp_path / "out", unseen=3, val=1)
    for path in source.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="has a usable image"):
        convert_folder(source, tmp_path / "out")
    with pytest.raises(InputError, match="is not a folder"):
        convert_folder(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "out").exists()
