"""Sketchy with its published zero-shot splits and LVIS's definitions."""

from __future__ import annotations

import json
import shutil

import pytest

from zscr.data.collection import read_collection
from zscr.data.sources.definitions import LVIS, define, read_definitions
from zscr.data.sources.sketchy import convert_sketchy
from zscr.data.tasks import load_task
from zscr.errors import InputError

LVIS_ROWS = [
    {"name": "bat_(animal)", "def": "flying mammal", "synonyms": ["bat_(animal)"]},
    {"name": "sofa", "def": "a seat", "synonyms": ["sofa", "couch", "lounge_(chair)"]},
    {"name": "mouse_(computer_equipment)", "def": "a device", "synonyms": ["mouse_(computer)"]},
]


def test_definitions_keep_to_the_sense(tmp_path):
    """Synonyms and animals are found; a computer's mouse does not define the animal."""
    (tmp_path / LVIS).write_text(json.dumps(LVIS_ROWS))
    definitions = read_definitions(tmp_path)
    assert define("bat", definitions).text == "flying mammal"
    assert define("couch", definitions).synonyms == ("sofa", "couch", "lounge")
    assert define("mouse", definitions) is None
    (tmp_path / LVIS).write_text('{"name": 1}')
    with pytest.raises(InputError, match="is not LVIS's list"):
        read_definitions(tmp_path / LVIS)


def test_photos_and_sketches_are_items(sketchy, tmp_path):
    """Both domains share class and split; texts hold definition and synonyms where known."""
    (tmp_path / LVIS).write_text(json.dumps(LVIS_ROWS))
    convert_sketchy(sketchy, tmp_path / "out", names=tmp_path / LVIS)
    found = read_collection(tmp_path / "out")
    assert found.splits["unseen"] == ("bat", "class_3")
    assert (len(found.splits["seen"]), len(found.splits["val"])) == (3, 15)
    bats = [item for item in found.items if item.class_id == "bat"]
    assert [(i.id, i.attributes["domain"], i.image, i.sketch, i.split) for i in bats] == [
        ("bat/n1_2", "photo", "photo/bat/n1_2.jpg", None, "unseen"),
        ("bat/n1_2-1", "sketch", None, "sketch/bat/n1_2-1.png", "unseen"),
        ("bat/n1_2-2", "sketch", None, "sketch/bat/n1_2-2.png", "unseen"),
    ]
    assert found.classes["couch"].descriptions == (
        "a photo of a couch",
        "couch: a seat; also called sofa, lounge",
    )
    assert found.classes["class_3"].descriptions == ("a photo of a class 3",)
    assert found.manifest.body["provenance"]["classes_with_definition"] == 2


def test_incomplete_sources_are_refused(sketchy, tmp_path):
    """A class without sketches, a list with an unknown class, no list."""
    (sketchy / "split_zeroshot1_unseen.txt").write_text("dog 0\n")
    with pytest.raises(InputError, match="names dog"):
        convert_sketchy(sketchy, tmp_path / "out", split="25")
    shutil.rmtree(sketchy / "sketch/couch")
    with pytest.raises(InputError, match="couch has photos or sketches"):
        convert_sketchy(sketchy, tmp_path / "out")
    (sketchy / "split_zeroshot0_unseen.txt").unlink()
    with pytest.raises(InputError, match="0 times"):
        convert_sketchy(sketchy, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unreadable_images_are_listed(sketchy, tmp_path):
    """One that is cut off costs itself alone; a class without any other is named."""
    (sketchy / "sketch/bat/n1_2-1.png").write_bytes(b"\x89PNG cut off")
    convert_sketchy(sketchy, tmp_path / "out")
    [line] = (tmp_path / "out/errors.jsonl").read_text().splitlines()
    assert "sketch/bat/n1_2-1.png" in line
    assert read_collection(tmp_path / "out").counts["bat"] == 2
    (sketchy / "sketch/bat/n1_2-2.png").write_bytes(b"")
    with pytest.raises(InputError, match="sketch/bat has no image that can be used"):
        convert_sketchy(sketchy, tmp_path / "none")


def test_lists_that_are_not_utf8_are_one_sentence(sketchy, tmp_path):
    """The path, and what to do."""
    (sketchy / "split_zeroshot0_unseen.txt").write_bytes(b"caf\xe9 0\n")
    with pytest.raises(InputError, match="is not UTF-8"):
        convert_sketchy(sketchy, tmp_path / "out")


@pytest.mark.realdata
def test_published_subset_is_complete(realdata_folder, tmp_path):
    """125 classes of 25 photos and 25 sketches of these, 21 published unseen, 87 definitions."""
    names = realdata_folder("clip_text_names")
    convert_sketchy(realdata_folder("sketchy25"), tmp_path / "out", names=names)
    found = read_collection(tmp_path / "out")
    assert {split: len(ids) for split, ids in found.splits.items()} == {
        "seen": 89,
        "val": 15,
        "unseen": 21,
    }
    assert set(found.counts.values()) == {50}
    assert {"bat", "wheelchair", "window"} <= set(found.splits["unseen"])
    photos = {item.id for item in found.items if item.attributes["domain"] == "photo"}
    sketches = {item.id for item in found.items if item.attributes["domain"] == "sketch"}
    assert {name.rsplit("-", 1)[0] for name in sketches} <= photos
    own = load_task(found, "own-photo", "unseen")
    assert (len(own.queries), len(own.gallery), own.missing) == (525, 525, 0)
    assert found.manifest.body["provenance"]["classes_with_definition"] == 87
