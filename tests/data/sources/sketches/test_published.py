"""The benchmarks of sketch retrieval by their published lists, built from what is known of them."""

from __future__ import annotations

import shutil
from functools import partial

import numpy as np
import pytest
from click.testing import CliRunner

from zscr.data.check import check_collection
from zscr.data.collection import read_collection
from zscr.data.commands import data
from zscr.data.sources.sketches.published import convert_published
from zscr.data.tasks import load_task, task_names
from zscr.errors import InputError

convert = partial(convert_published, name="sketchy-ext", split="25", held_out=1)
PHOTOS, SKETCHES = "all_photo_filelist", "sketch_tx_000000000000_ready_filelist"
BALLOON = "EXTEND_image_sketchy_ready/hot air balloon/7.jpg"


def test_lists_become_a_collection(sketchy_ext, tmp_path):
    """Spaces in paths and names, numbers that begin anew, names that repeat, duplicates kept."""
    convert(sketchy_ext.parent, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert found.name == "sketchy-ext-25"
    assert found.splits["unseen"] == ("hot air balloon", "t-shirt")
    assert (len(found.splits["seen"]), len(found.splits["val"])) == (3, 1)
    assert found.classes["t-shirt"].descriptions == ("a photo of a t-shirt",)
    items = {item.id: item for item in found.items}
    assert len(items) == 6 * 5
    photo = items[BALLOON]
    assert (photo.class_id, photo.split, photo.sketch) == ("hot air balloon", "unseen", None)
    task = load_task(found, "sketch", "unseen")
    assert len(task.gallery) == 6
    assert task.gallery[2] == BALLOON
    assert len(task.queries) == 4
    grades = task.relevance.grades(slice(0, 4), np.tile(np.arange(6), (4, 1)))
    assert grades.tolist() == [[1, 1, 1, 0, 0, 0]] * 2 + [[0, 0, 0, 1, 1, 1]] * 2
    assert task.figures == ("mAP interpolated", "Prec@100 micro", "mAP", "P@100")
    assert "encoders trained on it have seen many of them" in task.protocol
    assert check_collection(tmp_path / "out").faults == ()


def test_the_photo_of_a_sketch_is_right_in_both_folders(sketchy_ext, tmp_path):
    """Extended Sketchy holds it twice; a sketch whose photo is nowhere is left out and counted."""
    convert(sketchy_ext, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert task_names(found) == ["text", "sketch", "own-photo"]
    task = load_task(found, "own-photo", "unseen")
    grades = task.relevance.grades(slice(0, 2), np.tile(np.arange(6), (2, 1)))
    assert grades.tolist() == [[1, 1, 0, 0, 0, 0], [0, 0, 0, 1, 1, 0]]
    assert task.missing == 2
    assert found.manifest.body["provenance"]["sketches_without_photo"] == 6


def test_deduplicated_photos_are_the_first_of_their_name_and_content(sketchy_ext, tmp_path):
    """In each class; the same name in another class, and equal sketches, are left alone."""
    extended = sketchy_ext / "EXTEND_image_sketchy_ready"
    base = sketchy_ext / "256x256/photo/tx_000000000000_ready"
    shutil.copy(base / "cup/n1_2.jpg", extended / "cup/7.jpg")
    shutil.copy(base / "cup/n1_2.jpg", extended / "bear/7.jpg")
    convert(sketchy_ext, tmp_path / "out", deduplicated=True)
    found = read_collection(tmp_path / "out")
    left_out = found.manifest.body["provenance"]["duplicates_left_out"]
    assert left_out == {"name": 6, "content": 1}
    images = {item.id for item in found.items if item.image}
    assert len(images) == 6 * 3 - 7
    assert f"{base.relative_to(sketchy_ext)}/cup/n1_2.jpg" in images
    assert "EXTEND_image_sketchy_ready/bear/7.jpg" in images
    assert len([item for item in found.items if item.sketch]) == 12
    assert "not as published" in found.protocol
    assert not (tmp_path / "out/images/EXTEND_image_sketchy_ready/cup/n1_2.jpg").exists()


def broken(sketchy_ext, **lists):
    """Write lists anew: `name=text`, `zero` and `seen` are those of the classes."""
    names = {"zero": "cname_cid_zero", "seen": "cname_cid", "photos": f"{PHOTOS}_zero"}
    for name, text in lists.items():
        path = sketchy_ext / f"zeroshot1/{names[name]}.txt"
        path.write_text(text(path.read_text()) if callable(text) else text)


@pytest.mark.parametrize(
    ("lists", "said"),
    [
        (
            {"photos": lambda text: f"{text}\n\nlost/x y.jpg 1\n"},
            r"lost/x y.jpg \(.*zero.txt, line 9",
        ),
        (
            {"photos": lambda text: f"{text}a/b.jpg 2\n"},
            "line 7 has the number 2, which is no class",
        ),
        (
            {"photos": lambda text: f"{text}a/b c.jpg\n"},
            "line 7 is 'a/b c.jpg', not a path and the",
        ),
        ({"photos": lambda text: text + text}, "line 7 names .*, as .*zero.txt, line 1 does"),
        ({"photos": "\n"}, "all_photo_filelist_zero.txt is empty"),
        ({"zero": "bear 0\nt-shirt 1\n"}, "line 1 has the class 'bear', .* by .*cid.txt, line 2"),
        ({"zero": "bat 0\nbat 1\n"}, "line 2 has the class 'bat' for the second time"),
        ({"zero": "bat 0\nowl 0\n"}, "line 2 has the number 0 for the second time"),
        ({"zero": "hot air balloon\n"}, "line 1 is 'hot air balloon', not a class and its number"),
        ({"seen": ""}, "cname_cid.txt is empty"),
        (
            {"zero": lambda text: f"{text}owl 2\n"},
            "line 3 has the class 'owl' without any sketch",
        ),
        ({"photos": f"{BALLOON} 0\n"}, "line 2 has the class 't-shirt' without any photo"),
    ],
)
def test_lists_that_contradict_themselves_are_one_sentence(sketchy_ext, tmp_path, lists, said):
    """With the file and the line; nothing is left behind."""
    broken(sketchy_ext, **lists)
    with pytest.raises(InputError, match=said):
        convert(sketchy_ext, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_images_are_left_out_and_counted_when_told(sketchy_ext, tmp_path):
    """A photo by itself; a class without any photo left with its sketches."""
    (sketchy_ext / BALLOON).unlink()
    for photo in sketchy_ext.glob("*/**/t-shirt/*.jpg"):
        photo.unlink()
    (sketchy_ext / "EXTEND_image_sketchy_ready/cup/7.jpg").write_bytes(b"cut off")
    with pytest.raises(InputError, match="lacks 4 of the 30 images"):
        convert(sketchy_ext, tmp_path / "out")
    convert(sketchy_ext, tmp_path / "out", skip_missing=True)
    found = read_collection(tmp_path / "out")
    assert found.splits["unseen"] == ("hot air balloon",)
    task = load_task(found, "sketch", "unseen")
    assert (len(task.queries), len(task.gallery), task.missing) == (2, 2, 6)
    missing = found.manifest.body["provenance"]["missing_images"]
    assert (missing["unseen"], sum(missing.values())) == (6, 7)


def test_images_to_train_on_without_a_list_are_those_of_the_folders(quickdraw, tmp_path, capsys):
    """QuickDraw's and TU-Berlin's photos have none: the seen classes' folders are taken."""
    (quickdraw / "sketches/ant hill").rename(quickdraw / "sketches/ant_hill")
    command = ["convert", "quickdraw-ext", str(quickdraw), "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(data, [*command, "--val", "1"])
    assert done.exit_code == 0, done.output
    assert "sketch_train.txt is not there; the 8 images in the folders of seen" in done.stderr
    found = read_collection(tmp_path / "out")
    assert sum(len(found.splits[name]) for name in ("seen", "val")) == 4
    assert "sketches/ant_hill/0.png" in {item.id for item in found.items}
    assert found.counts["ant hill"] == 4
    assert found.manifest.body["provenance"]["lists_not_there"] == [
        *("all_photo_train.txt", "sketch_train.txt")
    ]
    shutil.rmtree(quickdraw / "images/bear")
    with pytest.raises(InputError, match="neither is a folder of the seen class 'bear' beside"):
        convert_published(quickdraw, tmp_path / "two", name="quickdraw-ext", held_out=1)
    options = {"name": "quickdraw-ext", "held_out": 1, "skip_missing": True}
    convert_published(quickdraw, tmp_path / "two", **options)
    assert "bear" not in read_collection(tmp_path / "two").classes


def test_a_list_of_one_side_is_enough_for_it(tuberlin, tmp_path):
    """TU-Berlin's sketches to train on are listed, some are withheld; its photos are not listed."""
    convert_published(tuberlin, tmp_path / "out", name="tuberlin-ext", held_out=0.25)
    found = read_collection(tmp_path / "out")
    assert found.manifest.body["provenance"]["lists_not_there"] == [
        "ImageResized_ready_filelist_train.txt"
    ]
    items = {item.id for item in found.items}
    assert {"ImageResized_ready/cup/9.JPEG", "png_ready/cup/1.png"} <= items
    assert "png_ready/cup/2.png" not in items


@pytest.mark.parametrize("name", ["sketchy-ext", "tuberlin-ext"])
def test_lists_of_another_benchmark_are_not_taken(quickdraw, tmp_path, name):
    """Folders of several data sets lie side by side; each is told by the names of its lists."""
    with pytest.raises(InputError, match="in 0 folders, not in one"):
        convert_published(quickdraw.parent, tmp_path / "out", name=name)
