"""Queries of tasks that are sums of others, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from zscr.data.records import Query, Term
from zscr.data.relevance import ByLabel
from zscr.data.tasks import Task
from zscr.errors import InputError
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.fused import Fused
from zscr.train.evaluation.sums import added, ranked_sums

ROWS = {"east": (3.0, 0.0), "north": (0.0, 0.5), "west": (-2.0, 0.0)}


def embed(queries):
    """Return vectors of any length, as a model's may be."""
    return np.array([ROWS[query.text] for query in queries], np.float32)


def both(first, second, weight=1.0):
    return Query("q", terms=(Term(Query("q", first)), Term(Query("q", second), weight)))


def test_unit_rows_are_added_by_weight():
    """The longer of two does not count more; (1, 0) + 2 (0, 1) is (1, 2) / √5."""
    rows = added([both("east", "north"), both("north", "west", 2.0)], embed)
    assert rows == pytest.approx(np.array([[1 / 2**0.5] * 2, [-2 / 5**0.5, 1 / 5**0.5]]))
    assert added([Query("q", "east")], embed).tolist() == [[3, 0]]  # no sum stays as it is


def test_scores_without_vectors_have_no_mean():
    """A composition that gives no vector is refused, with what to do; a task of others is not."""
    queries, gallery = (both("east", "north"),), np.eye(2, dtype=np.float32)
    task = Task("t", "", "unseen", queries, ("a", "b"), "image", ByLabel(["x"], ["x", "y"]), ("x",))
    unit = np.array([[1, 0]], np.float32)
    ranked = ranked_sums(task, gallery, lambda one: Embedded(one, embed(one.queries), gallery))
    assert ranked.task.queries == queries
    assert ranked.queries == pytest.approx(np.array([[1 / 2**0.5] * 2]))

    def fused(one):
        return Fused.__new__(Fused)

    with pytest.raises(InputError, match="mean of several texts.*--compose"):
        ranked_sums(task, gallery, fused)
    plain = replace(task, queries=(Query("q", "east"),))
    assert ranked_sums(plain, gallery, lambda one: Embedded(one, unit, gallery)).queries is unit
