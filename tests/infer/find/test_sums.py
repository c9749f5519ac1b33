"""Sums of terms by known answers, and what cannot change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.data.records import Query, Term
from zscr.errors import InputError
from zscr.infer.bundle import Bundle
from zscr.infer.runners.runner import Runtime
from zscr.infer.sums import add_up

TEXTS = ("a red wren", "a robin", "blue tit", "the owl at night")


@pytest.fixture(scope="module")
def model(bundle_folder):
    return Bundle.open(bundle_folder, Runtime(threads=1))


def row(model, *terms):
    """Return the row of a sum of (weight, text or path)."""
    asked = (
        Term(Query("1", text=what) if isinstance(what, str) else Query("1", image=what), weight)
        for weight, what in terms
    )
    return add_up(model, Query("1", terms=tuple(asked))).row[0]


def embedded(model, what):
    field = "text" if isinstance(what, str) else "image"
    return model.route(frozenset({field})).encode(Query.of(field, [what]))[0].astype(np.float64)


def test_a_sum_lies_where_the_parallelogram_says(model, images):
    """2a - b: its cosines with a and b follow from that of a and b, by the law of cosines."""
    [image] = images(1)
    a, b = embedded(model, "a robin"), embedded(model, image)
    found, cosine = row(model, (2, "a robin"), (-1, image)), a @ b
    length = np.sqrt(4 + 1 - 4 * cosine)
    assert found.dtype == np.float32
    assert found @ found == pytest.approx(1, abs=1e-6)
    assert found @ a == pytest.approx((2 - cosine) / length, abs=1e-6)
    assert found @ b == pytest.approx((2 * cosine - 1) / length, abs=1e-6)
    np.testing.assert_allclose(row(model, (-3, "a robin")), -a, atol=1e-6)


WEIGHTS = st.floats(0.1, 10) | st.floats(-10, -0.1)


@settings(max_examples=25)
@given(st.lists(WEIGHTS, min_size=2, max_size=4), st.floats(0.01, 100), st.randoms())
def test_neither_order_nor_scale_matters(model, weights, scale, random):
    """Terms in any order, and all weights times a factor, are the same query."""
    terms = list(zip(weights, TEXTS, strict=False))
    before = row(model, *terms)
    random.shuffle(terms)
    after = row(model, *((weight * scale, text) for weight, text in terms))
    np.testing.assert_allclose(before, after, atol=1e-6)


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ([(1, "a robin"), (-1, "a robin")], "a robin - a robin cancel each other out"),
        ([(0.1, "owl"), (0.2, "owl"), (-0.3, "owl")], "cancel each other out"),
        ([(1, "owl"), (0, "tit")], "tit has the weight 0, which asks for nothing"),
        ([(float("nan"), "owl")], "weight nan"),
        ([(float("inf"), "owl"), (1, "tit")], "weight inf"),
        ([(1, "owl"), (1, "🐕")], "no character of the text '🐕' is known"),
    ],
)
def test_a_sum_that_asks_for_nothing_is_refused(model, terms, message):
    """One sentence, whichever way it comes to nothing."""
    with pytest.raises(InputError, match=message):
        row(model, *terms)


def test_what_a_term_loses_is_told_of_that_term(model):
    """A truncated text and characters that are not known are noted as for a query of their own."""
    terms = (Term(Query("1", text="owl 7")), Term(Query("1", text="a robin " * 9)))
    notes = add_up(model, Query("1", terms=terms)).notes
    assert notes[0] == "a sum of 2 terms"
    assert notes[1] == "owl 7: 1 unknown: 7"
    assert notes[2].endswith("robin : truncated to 24 tokens")
