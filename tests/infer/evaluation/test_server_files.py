"""Files for CIRR's and CIRCO's servers: their form, what is left out of them, and refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from zscr.data.records import Query
from zscr.data.relevance import ByItem, Truth
from zscr.data.tasks import Task
from zscr.errors import InputError
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.server_files import write_server_files

NAMES = tuple(f"test1-{n}" for n in range(54))
ORDER = np.random.default_rng(1).permutation(len(NAMES))


def a_task(server: str, names=NAMES, truths=None, ids=("12", "7")) -> Task:
    truths = truths or [Truth({}, (names[0],), names[:6]), Truth({}, (names[9],), names[5:11])]
    queries = tuple(Query(one, "redder") for one in ids)
    relevance = ByItem(truths, names)
    split = ("test", "", "unseen", queries, names, "image", relevance, ids)
    return Task(*split, server=server)


def ranked(task: Task) -> Embedded:
    """Rank the gallery in a known order for every query."""
    count = len(task.gallery)
    row = np.zeros(count, np.float32)
    row[ORDER[ORDER < count]] = np.arange(count, 0, -1)
    queries = np.tile(row / np.linalg.norm(row), (len(task.queries), 1))
    return Embedded(task, queries, np.eye(count, dtype=np.float32))


def test_cirr_takes_two_files(tmp_path):
    """50 names a pairid and 3 of its image set, neither of them the reference's, best first."""
    task = a_task("cirr")
    files = write_server_files(tmp_path / "new/folder", ranked(task), task)
    assert [path.name for path in files] == ["cirr_recall.json", "cirr_recall_subset.json"]
    recall, subset = (json.loads(path.read_text()) for path in files)
    best = [NAMES[place] for place in ORDER]
    assert {k: recall.pop(k) for k in ("version", "metric")} == {
        "version": "rc2",
        "metric": "recall",
    }
    assert (subset.pop("version"), subset.pop("metric")) == ("rc2", "recall_subset")
    assert [*recall] == [*subset] == ["12", "7"]
    assert recall["12"] == [name for name in best if name != NAMES[0]][:50]
    assert recall["7"] == [name for name in best if name != NAMES[9]][:50]
    assert subset["12"] == [name for name in best if name in NAMES[1:6]][:3]
    assert subset["7"] == [n for n in best if n in (*NAMES[5:9], NAMES[10])][:3]


def test_circo_takes_numbers(tmp_path):
    """50 ids as integers a query from "0" on, whatever the order of the queries."""
    names = tuple(str(1000 + 7 * n) for n in range(54))
    task = a_task("circo", names, [Truth({}), Truth({})], ("1", "0"))
    [file] = write_server_files(tmp_path, ranked(task), task)
    content = json.loads(file.read_text())
    assert file.name == "circo_test.json"
    assert [*content] == ["0", "1"]
    assert content["0"] == content["1"] == [1000 + 7 * int(place) for place in ORDER[:50]]


def test_what_a_server_would_refuse_is_not_written(tmp_path):
    """A small gallery, a subset of two, a query of CIRCO's that is missing, a lost image."""
    small = a_task("cirr", NAMES[:50], [Truth({}, (NAMES[0],), NAMES[:6])], ("12",))
    short = a_task("cirr", truths=[Truth({}, (NAMES[0],), NAMES[:3])], ids=("12",))
    numbers = tuple(str(n) for n in range(54))
    gap = a_task("circo", numbers, [Truth({}), Truth({})], ("0", "2"))
    for task, why in (
        (small, "query 12 ranks 49 images of its gallery, and its server takes 50"),
        (short, "query 12 ranks 2 images of its image set, and its server takes 3"),
        (gap, "query 1 of CIRCO is missing"),
    ):
        with pytest.raises(InputError, match=why):
            write_server_files(tmp_path, ranked(task), task)
    whole = a_task("cirr")
    lost = ranked(whole.narrowed([*range(1, len(NAMES))]))
    for there, task in ((lost, whole), (ranked(whole), replace(whole, missing=1))):
        with pytest.raises(InputError, match="1 images or queries of task 'test' are missing"):
            write_server_files(tmp_path, there, task)
    long = tuple(f"{'x' * 60_000}{n}" for n in range(54))
    task = a_task("cirr", long)
    with pytest.raises(InputError, match="cirr_recall.json would have 6.* bytes"):
        write_server_files(tmp_path, ranked(task), task)
    assert [*tmp_path.iterdir()] == []
