"""A sketch asks for the photo that it was drawn after."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from zscr.data.collection import read_collection
from zscr.data.sources.sketchy import convert_sketchy
from zscr.data.tasks import load_task, task_names


def test_a_sketch_asks_for_its_own_photo(sketchy, tmp_path):
    """Names repeat across classes: right is the one of the sketch's class; lost ones are told."""
    shutil.copy(sketchy / "photo/bat/n1_2.jpg", sketchy / "photo/bat/n1_22.jpg")
    shutil.copy(sketchy / "sketch/bat/n1_2-1.png", sketchy / "sketch/bat/n7_7-1.png")
    convert_sketchy(sketchy, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert task_names(found) == ["text", "sketch", "own-photo"]
    task = load_task(found, "own-photo", "unseen")
    assert task.gallery == ("bat/n1_2", "bat/n1_22", "class_3/n1_2")
    assert [query.id for query in task.queries] == [
        *("bat/n1_2-1", "bat/n1_2-2"),
        *("class_3/n1_2-1", "class_3/n1_2-2"),
    ]
    order = np.broadcast_to(np.arange(3), (4, 3))
    grades = task.relevance.grades(slice(0, 4), order)
    assert grades.tolist() == [[1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert task.fields == {"sketch"}
    assert task.figures == ("R@1", "R@5", "mAP")
    assert task.missing == found.manifest.body["provenance"]["sketches_without_photo"] == 1
    assert task.protocol.endswith("; 1 of its images and queries are missing")


def test_without_any_photo_of_its_sketches_there_is_no_such_task(sketchy, tmp_path):
    """Sketches of other photos are still a collection."""
    for photo in sketchy.glob("photo/*/n1_2.jpg"):
        photo.rename(photo.with_name("n9_9.jpg"))
    convert_sketchy(sketchy, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert task_names(found) == ["text", "sketch"]
    assert found.manifest.body["provenance"]["sketches_without_photo"] == 40


@pytest.mark.realdata
def test_every_published_sketch_has_its_photo(realdata_folder, tmp_path):
    """525 unseen sketches over 525 photos; none is missing."""
    convert_sketchy(realdata_folder("sketchy25"), tmp_path / "out")
    task = load_task(read_collection(tmp_path / "out"), "own-photo", "unseen")
    assert (len(task.queries), len(task.gallery), task.missing) == (525, 525, 0)
