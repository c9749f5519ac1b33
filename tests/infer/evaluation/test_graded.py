"""Left-out items leave rankings without a trace; the rest keeps its order and is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zscr.data.relevance import ByItem, ByLabel, Truth
from zscr.errors import InputError
from zscr.infer.evaluation.graded import compacted, count_relevant

NAN = np.float32(np.nan)
grades = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=20),
    elements=st.sampled_from([0.0, 1.0, 0.5, NAN]),
).filter(lambda table: (~np.isnan(table)).any(axis=1).all())


def test_gaps_are_closed_by_hand():
    """Each row moves up over its own gaps; rows of fewer items end in nothing relevant."""
    hits, sizes = compacted(np.float32([[1, NAN, 0, 2], [NAN, 0, NAN, 1], [0, 0, 0.5, 0]]))
    assert sizes.tolist() == [3, 2, 4]
    assert hits.tolist() == [[1, 0, 1, 0], [0, 1, 0, 0], [0, 0, 1, 0]]


@given(grades)
def test_equals_a_loop_over_rows(table):
    """Dropping NaN row by row in plain Python gives the same rankings."""
    hits, sizes = compacted(table)
    for row, found, size in zip(table.tolist(), hits.tolist(), sizes.tolist(), strict=True):
        kept = [grade > 0 for grade in row if grade == grade]
        assert (found[:size], size) == (kept, len(kept))
        assert not any(found[size:])
    assert hits.shape[1] == sizes.max()


def test_a_ranking_of_nothing_is_refused():
    """Its precision would be nothing of nothing."""
    with pytest.raises(InputError, match="all items are left out .* of 1 of 2 queries"):
        compacted(np.float32([[NAN, NAN], [0, NAN]]))


@pytest.mark.parametrize("block", [None, 1, 2, 7])
def test_items_are_counted_in_blocks_of_any_size(block):
    """Exclusions and subsets make galleries smaller; grades above 0 are relevant."""
    truths = [
        Truth({"a": 1, "b": 0.5}),
        Truth({"a": 1}, exclude=("b", "c")),
        Truth({"d": 2}, exclude=("a",), subset=("a", "d")),
        Truth({"gone": 1}),
    ]
    counts = count_relevant(ByItem(truths, list("abcd")), 4, 4, block)
    assert counts.relevant.tolist() == [2, 1, 1, 0]
    assert counts.sizes.tolist() == [4, 2, 1, 4]
    kept = counts.of(np.array([True, False, True, False]))
    assert (kept.relevant.tolist(), kept.sizes.tolist()) == ([2, 1], [4, 1])


def test_labels_leave_nothing_out():
    """Of a class of two in a gallery of three, two are relevant."""
    counts = count_relevant(ByLabel(["a", "b", "x"], ["a", "b", "a"]), 3, 3)
    assert counts.relevant.tolist() == [2, 1, 0]
    assert counts.sizes.tolist() == [3, 3, 3]
