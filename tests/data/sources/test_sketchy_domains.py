"""Sketchy as a task of domain conversion: one gallery, two directions."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.data.collection import read_collection
from zscr.data.sources.sketchy_domains import convert_sketchy_domains
from zscr.data.tasks import load_task, task_names


def test_each_image_asks_for_its_class_in_the_other_domain(sketchy, tmp_path):
    """Of 2 unseen classes, a photo and 2 sketches each: 2 and 4 queries over a gallery of 6."""
    convert_sketchy_domains(sketchy, tmp_path / "out")
    found = read_collection(tmp_path / "out")
    assert task_names(found) == ["text", "photo-to-sketch", "sketch-to-photo"]
    bat = next(item for item in found.items if item.id == "bat/n1_2-1")
    assert (bat.image, bat.sketch, bat.texts) == (
        "sketch/bat/n1_2-1.png",
        None,
        ("a sketch of a bat",),
    )
    for name, asked, wanted, queries in (
        ("photo-to-sketch", "photo", "sketch", 2),
        ("sketch-to-photo", "sketch", "photo", 4),
    ):
        task = load_task(found, name, "unseen")
        assert (len(task.queries), len(task.gallery)) == (queries, 6)
        first = task.queries[0]
        assert (first.text, first.instead_of) == (f"a {wanted} of *", f"a {asked} of *")
        assert first.image.is_relative_to(found.folder / asked)
        domain = {item.id: item.attributes["domain"] for item in found.items}
        grades = task.relevance.grades(slice(0, 1), np.arange(6)[None])[0]
        for item, grade in zip(task.gallery, grades, strict=True):
            own = item.startswith("bat/") and domain[item] == wanted
            assert np.isnan(grade) if item == first.id else grade == own
    assert {len(load_task(found, "photo-to-sketch", s).queries) for s in ("seen", "val")} == {3, 15}


@pytest.mark.realdata
def test_the_published_subset_has_525_queries_a_direction(realdata_folder, tmp_path):
    """21 unseen classes of 25 photos and 25 sketches; the gallery holds both."""
    convert_sketchy_domains(realdata_folder("sketchy25"), tmp_path / "out")
    found = read_collection(tmp_path / "out")
    for name in ("photo-to-sketch", "sketch-to-photo"):
        task = load_task(found, name, "unseen")
        assert (len(task.queries), len(task.gallery)) == (525, 1050)
