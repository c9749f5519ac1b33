"""CIRR in both layouts: galleries, image sets, what is left out, and what is missing."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.data.sources.triplets.trees import cirr
from zscr.cli import main
from zscr.data.collection import read_collection
from zscr.data.sources.triplets.cirr import convert_cirr
from zscr.data.tasks import Task, load_task, task_names
from zscr.errors import ConfigError, InputError, ZscrError
from zscr.infer.evaluation.embedded import Embedded


def converted(source: Path, out: Path, **options: bool):
    convert_cirr(source, out, **options)
    return read_collection(out)


def ranked(task: Task, orders: dict[str, list[str]]) -> Embedded:
    """Embed a task so that each query ranks its gallery as it is told."""
    place = {name: number for number, name in enumerate(task.gallery)}
    queries = np.zeros((len(task.queries), len(place)))
    for row, query in enumerate(task.queries):
        for score, name in enumerate(reversed(orders[query.id]), 1):
            queries[row, place[name]] = score
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    return Embedded(task, queries.astype(np.float32), np.eye(len(place), dtype=np.float32))


def test_both_layouts_are_one_collection(tmp_path):
    """Names flat in folders, or paths beside lists in `cirr/`; from the root, above it, zipped."""
    flat = converted(cirr(tmp_path / "CIRR"), tmp_path / "a")
    searle = cirr(tmp_path / "above/CIRR", searle=True)
    below = converted(searle.parent, tmp_path / "b")
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as file:
        for path in searle.rglob("*.*"):
            file.write(path, path.relative_to(searle.parent))
    zipped = converted(tmp_path / "c.zip", tmp_path / "c")
    assert task_names(flat) == ["val", "val-subset", "test1"]
    for other in (below, zipped):
        assert other.items == flat.items
        for name in task_names(flat):
            here, there = (load_task(one, name, "unseen") for one in (flat, other))
            assert (here.gallery, here.relevance) == (there.gallery, there.relevance)


def test_val_by_hand(tmp_path):
    """The reference is no answer, the first or not; a subset's recall ranks the image set alone."""
    collection = converted(cirr(tmp_path / "CIRR"), tmp_path / "c")
    names = [f"dev-{n}-0-img0" for n in range(8)]
    orders = {
        "10": [names[0], names[7], names[1], *names[2:7]],  # after the reference: rank 2; set: 1
        "11": [names[2], names[1], names[0], *names[3:8]],  # rank 1; set: 1
        "12": [*names[4:8], names[0], names[1], names[2], names[3]],  # rank 7; set: last of 5
    }
    task = load_task(collection, "val", "unseen")
    assert task.gallery == tuple(names)  # test1's images are no distractors
    assert [query.text for query in task.queries] == [f"make it {q} times larger" for q in range(3)]
    report = ranked(task, orders).report()
    assert report.figures == ("R@1", "R@5", "R@10", "R@50")
    assert [report.metrics[name] for name in report.figures] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    subset = ranked(load_task(collection, "val-subset", "unseen"), orders).report()
    assert subset.figures == ("R@1", "R@2", "R@3")
    assert [subset.metrics[name] for name in subset.figures] == pytest.approx([2 / 3] * 3)


def test_answers_of_test1_are_unknown(tmp_path):
    """There is a ranking and no figure, not even one of zeros."""
    task = load_task(converted(cirr(tmp_path / "CIRR"), tmp_path / "c"), "test1", "unseen")
    assert (task.server, len(task.gallery)) == ("cirr", 56)
    embedded = ranked(task, {str(10 + q): list(task.gallery) for q in range(3)})
    for ask in (embedded.report, embedded.average_precision, lambda: embedded.figure("R@1")):
        with pytest.raises(ConfigError, match="task 'test1' is not published.*--server-file"):
            ask()


def test_missing_images_are_an_error_or_counted(tmp_path):
    """Without its reference or its target a query is not asked; the protocol says what is lost."""
    root = cirr(tmp_path / "CIRR")
    for number in (0, 7):
        (root / f"dev/dev-{number}-0-img0.png").unlink()
    with pytest.raises(InputError, match=r"lacks 2 of the 64 images.*dev-0.*--skip-missing"):
        convert_cirr(root, tmp_path / "a")
    assert not (tmp_path / "a").exists()
    args = ["data", "convert", "cirr", str(root), "--out", str(tmp_path / "b"), "--skip-missing"]
    done = CliRunner().invoke(main, args)
    assert done.exit_code == 0, done.output
    assert "2 sources could not be used" in done.output
    task = load_task(read_collection(tmp_path / "b"), "val", "unseen")
    assert [query.id for query in task.queries] == ["11", "12"]
    assert (len(task.gallery), task.missing) == (6, 3)
    assert task.protocol.endswith("3 of its images and queries are missing")
    assert load_task(read_collection(tmp_path / "b"), "test1", "unseen").missing == 0


def test_images_are_linked(tmp_path):
    """A gallery takes no room twice where the disk has links."""
    root = cirr(tmp_path / "CIRR")
    convert_cirr(root, tmp_path / "c")
    name = "dev/dev-0-0-img0.png"
    assert (tmp_path / "c/images" / name).stat().st_ino == (root / name).stat().st_ino


def test_one_split_is_enough(tmp_path):
    """Whoever has only what the server asks gets its task alone."""
    root = cirr(tmp_path / "CIRR")
    shutil.rmtree(root / "dev")
    (root / "captions/cap.rc2.val.json").unlink()
    assert task_names(converted(root, tmp_path / "c")) == ["test1"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("5", "split.rc2.val.json is not in the published format .*5, not a list"),
        ('{"dev-0-0-img0": 5}', "not in the published format .*5, not a text"),
        ('{"dev-0-0-img0": "../../etc/passwd"}', "which climbs up"),
        ("[", "split.rc2.val.json is not in the published format"),
    ],
)
def test_lists_that_lie_are_refused(tmp_path, content, why):
    """No traceback, and nothing outside of the source is looked at."""
    root = cirr(tmp_path / "CIRR")
    (root / "image_splits/split.rc2.val.json").write_text(content)
    with pytest.raises(ZscrError, match=why):
        convert_cirr(root, tmp_path / "c")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"target_hard": None}, "not in the published format .*target_hard"),
        (
            {"reference": "dev-99"},
            "1 images that queries of task 'val' name are in no list.*dev-99",
        ),
        ({"caption": " * "}, "1 queries of task 'val' have no text, the first is 10"),
    ],
)
def test_annotations_that_lie_are_refused(tmp_path, change, why):
    """One sentence each."""
    root = cirr(tmp_path / "CIRR")
    path = root / "captions/cap.rc2.val.json"
    rows = json.loads(path.read_text())
    rows[0] |= change
    path.write_text(json.dumps(rows))
    with pytest.raises(ZscrError, match=why):
        convert_cirr(root, tmp_path / "c")
