"""Relevance against a slow judge that looks at one query and one item at a time."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.data.relevance import ByItem, ByLabel, Truth

NAMES = "abcdefgh"
GALLERY = st.lists(st.sampled_from(NAMES), min_size=1, unique=True)
LABELS = st.lists(st.sampled_from("xyz"), min_size=1, max_size=8)
SOME = st.lists(st.sampled_from(NAMES), max_size=3, unique=True).map(tuple)
TRUTHS = st.lists(
    st.builds(
        Truth, st.dictionaries(st.sampled_from(NAMES), st.sampled_from([0.5, 1, 2])), SOME, SOME
    ),
    min_size=1,
    max_size=5,
)


def judge(truth, name):
    """Say what one item is worth to one query; None: it is not looked at."""
    if name in truth.exclude or (truth.subset and name not in truth.subset):
        return None
    return truth.relevant.get(name, 0)


def rankings(data, queries, gallery):
    """Draw a slice of the queries, and for each of them an order of the gallery."""
    start = data.draw(st.integers(0, queries - 1))
    stop = data.draw(st.integers(start + 1, queries))
    orders = [data.draw(st.permutations(range(gallery))) for _ in range(start, stop)]
    return slice(start, stop), np.array(orders)


def assert_grades(relevance, part, order, expected):
    """Compare with what `expected(query, place)` says of each place of each ranking."""
    found = relevance.grades(part, order)
    assert found.dtype == np.float32
    assert found.shape == order.shape
    for row, query in enumerate(range(part.start, part.stop)):
        for column, place in enumerate(order[row]):
            worth, grade = expected(query, place), found[row, column]
            assert math.isnan(grade) if worth is None else grade == worth


@given(LABELS, LABELS, st.data())
def test_labels_are_compared_along_the_ranking(queries, gallery, data):
    """1 where the item has the query's label, 0 elsewhere, also for labels that no item has."""
    part, order = rankings(data, len(queries), len(gallery))
    relevance = ByLabel(queries, gallery)
    assert_grades(relevance, part, order, lambda q, g: int(queries[q] == gallery[g]))


@given(TRUTHS, GALLERY, st.data())
def test_truths_are_looked_up_along_the_ranking(truths, gallery, data):
    """Grades, exclusions and subsets, also such that name items which the gallery does not hold."""
    part, order = rankings(data, len(truths), len(gallery))
    relevance = ByItem(truths, gallery)
    assert_grades(relevance, part, order, lambda q, g: judge(truths[q], gallery[g]))


@given(TRUTHS, GALLERY, st.data())
def test_a_gallery_can_be_narrowed_and_widened_again(truths, gallery, data):
    """What an item is worth depends on it alone, wherever it stands and whatever is beside it."""
    kept = data.draw(st.lists(st.sampled_from(range(len(gallery))), unique=True, min_size=1))
    rest = [place for place in range(len(gallery)) if place not in kept]
    relevance = ByItem(truths, gallery)
    narrowed = relevance.narrowed(kept)
    part, order = rankings(data, len(truths), len(kept))
    assert_grades(narrowed, part, order, lambda q, g: judge(truths[q], gallery[kept[g]]))
    widened = narrowed.widened(relevance.narrowed(rest))
    names = [gallery[place] for place in [*kept, *rest]]
    part, order = rankings(data, len(truths), len(gallery))
    assert_grades(widened, part, order, lambda q, g: judge(truths[q], names[g]))


@given(LABELS, LABELS, LABELS, st.data())
def test_galleries_of_labels_are_narrowed_and_widened(queries, gallery, other, data):
    """The other gallery follows the first; its queries do not matter."""
    kept = data.draw(st.lists(st.sampled_from(range(len(gallery))), unique=True, min_size=1))
    relevance = ByLabel(queries, gallery).narrowed(kept).widened(ByLabel(["x"], other))
    labels = [*(gallery[place] for place in kept), *other]
    part, order = rankings(data, len(queries), len(labels))
    assert_grades(relevance, part, order, lambda q, g: int(queries[q] == labels[g]))


def test_worked_example():
    """A query that excludes its own reference `a` and looks only at `a`, `b` and `c`."""
    truth = Truth({"b": 2, "d": 1}, exclude=("a",), subset=("a", "b", "c"))
    [grades] = ByItem([truth], "abcd").grades(slice(0, 1), np.array([[3, 2, 1, 0]]))
    assert grades == pytest.approx([np.nan, 0, 2, np.nan], nan_ok=True)
