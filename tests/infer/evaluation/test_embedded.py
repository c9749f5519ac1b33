"""Embedded tasks: their figures, the cheap ones among them, wider galleries, tasks of tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zscr.data.relevance import ByItem, ByLabel, Truth
from zscr.errors import ConfigError, InputError
from zscr.infer.evaluation.embedded import Embedded, split_task
from zscr.infer.evaluation.report import evaluate_retrieval
from zscr.infer.features.table import Split, Table


def unit(rng, rows, dim=6):
    vectors = rng.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def embedded(embedded_of):
    """Classes of 1 to 4 queries, so that macro and micro differ, and a figure of its own."""
    rng = np.random.default_rng(1)
    asked, found = [*"abbcccdddd"], [*"aabbccdd" * 3]
    return embedded_of(unit(rng, 10), unit(rng, 24), asked, found, figures=("Recall@7", "mAP"))


def average_precision(scores, relevant):
    """The definition, read aloud: the mean precision at the rank of each relevant item."""
    ranked = relevant[np.argsort(-scores, kind="stable")]
    return np.mean([ranked[: rank + 1].mean() for rank in np.flatnonzero(ranked)])


def test_figures_are_those_of_the_embeddings(embedded):
    """Every query of a class asks for its items, and for no others."""
    precisions, firsts = [], []
    for query, group in zip(embedded.queries, embedded.task.groups, strict=True):
        scores = embedded.gallery.astype(np.float64) @ query
        relevant = np.array([item.split("/")[0] == group for item in embedded.task.gallery])
        precisions.append(average_precision(scores, relevant))
        firsts.append(relevant[scores.argmax()])
    report = embedded.report()
    assert (report.queries, report.gallery, report.groups, report.chance) == (10, 24, 4, 0.25)
    assert report.metrics["mAP"] == pytest.approx(np.mean(precisions))
    assert report.metrics["Top-1"] == pytest.approx(np.mean(firsts))
    assert report.figures == ("Recall@7", "mAP")
    np.testing.assert_allclose(embedded.average_precision(), precisions)


@pytest.mark.parametrize(
    "name", ["mAP", "mAP macro", "Prec@10 macro", "Prec@10 micro", "Recall@7", "AP@50 hits"]
)
def test_one_figure_is_the_reports(embedded, name):
    """To the last bit, as the best weights are chosen by one and reported by the other."""
    report = embedded.report().metrics
    assert embedded.figure(name) == report[name]
    assert report["mAP macro"] != report["mAP"]


def test_a_figure_that_does_not_exist_is_refused(embedded):
    """Instead of choosing weights by something else."""
    with pytest.raises(ConfigError, match="'mAP@all' is no figure"):
        embedded.figure("mAP@all")


def test_a_wider_gallery_comes_behind_the_own_one(embedded, embedded_of):
    """The other task's items are wrong ones here, by label and by id alike."""
    rng = np.random.default_rng(2)
    other = embedded_of(unit(rng, 2), unit(rng, 9), "xy", "xxxyyyyyy")
    both = embedded.with_gallery_of(other)
    assert both.task.gallery == embedded.task.gallery + other.task.gallery
    np.testing.assert_array_equal(both.gallery[:24], embedded.gallery)
    np.testing.assert_array_equal(both.gallery[24:], other.gallery)
    assert (both.task.queries, both.task.groups) == (embedded.task.queries, embedded.task.groups)
    gallery = np.concatenate([embedded.gallery, other.gallery])
    found = [name.split("/")[0] for name in both.task.gallery]
    relevance = ByLabel(embedded.task.groups, found)
    expected = evaluate_retrieval(embedded.queries, gallery, relevance, embedded.task.groups)
    assert both.report().metrics["mAP macro"] == expected.metrics["mAP macro"]
    own, its = embedded.task, other.task
    truths = [Truth({own.gallery[n]: 1}) for n in range(10)]
    by_item = replace(own, relevance=ByItem(truths, own.gallery))
    its = replace(its, relevance=ByItem([Truth({"x/0": 1})] * 2, its.gallery))
    wide = replace(embedded, task=by_item).with_gallery_of(replace(other, task=its)).report()
    assert wide.chance == pytest.approx(1 / 33)


def test_each_query_and_item_is_embedded_once(embedded):
    """Rows that do not belong to the task would be judged by somebody else's truth."""
    task = embedded.task
    with pytest.raises(InputError, match="9 embeddings of the 10 queries of task 'text'"):
        Embedded(task, embedded.queries[1:], embedded.gallery)
    with pytest.raises(InputError, match="25 embeddings of the 24 gallery items"):
        Embedded(task, embedded.queries, np.eye(25, 6, dtype=np.float32))


def test_a_splits_rows_ask_for_those_of_their_group():
    """Also where groups have different numbers of both, and whatever table asks."""
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    split = Split(
        ("a", "b"),
        {
            "text": Table(("t0", "t1", "t2"), rows[:3], np.array([0, 1, 3])),
            "image": Table(("p0", "p1", "p2", "p3"), rows[:4], np.array([0, 3, 4])),
            "sketch": Table(("s0", "s1"), rows[4:], np.array([0, 1, 2])),
        },
    )
    task = split_task(split, "val", protocol="by hand")
    assert (task.name, task.split, task.protocol, task.field) == ("text", "val", "by hand", "image")
    assert (task.groups, task.gallery) == (("a", "b", "b"), ("p0", "p1", "p2", "p3"))
    assert [query.id for query in task.queries] == ["t0", "t1", "t2"]
    np.testing.assert_array_equal(np.stack([query.vector for query in task.queries]), rows[:3])
    order = np.tile(np.arange(4), (3, 1))
    grades = task.relevance.grades(slice(0, 3), order)
    assert grades.tolist() == [[1, 1, 1, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
    assert task.figures == ("mAP",)
    sketches = split_task(split, "unseen", queries="sketch", figures=("AP@200 hits", "Prec@100"))
    assert (sketches.name, sketches.groups) == ("sketch", ("a", "b"))
    assert sketches.figures == ("AP@200 hits", "Prec@100")
