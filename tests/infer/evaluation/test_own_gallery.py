"""Queries that rank a part of the gallery, and queries that nothing is relevant to."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.data.own_gallery import Within, Without
from zscr.data.relevance import ByItem, ByLabel, Truth
from zscr.errors import InputError
from zscr.infer.evaluation.figures import query_values
from zscr.infer.evaluation.graded import count_relevant
from zscr.infer.evaluation.report import evaluate_retrieval

FIGURES = ("mAP", "mAP trapezoid", "Recall@3", "P@3", "Prec@3", "AP@50 relevant", "Top-1")


def unit(rng, rows):
    vectors = rng.standard_normal((rows, 5)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@given(st.integers(0, 2**32 - 1))
def test_a_part_alone_is_ranked_as_if_the_rest_were_left_out(seed):
    """Galleries by label, by list and by exclusions give the same figures, in any order."""
    rng = np.random.default_rng(seed)
    labels = [*"abc", *rng.choice([*"abc"], 20)]
    ids, asked = [f"i{n}" for n in range(23)], [*rng.choice([*"abc"], 9)]
    own = {
        name: [i for i, label in zip(ids, labels, strict=True) if label == name] for name in "abc"
    }
    truths = [Truth({own[name][0]: 1.0, own[name][-1]: 1.0}) for name in asked]
    inner = ByItem(truths, ids)
    queries, gallery = unit(rng, 9), unit(rng, 23)
    rest = [Truth(t.relevant, subset=tuple(own[n])) for t, n in zip(truths, asked, strict=True)]
    out = [[i for i in ids if i not in own[name]] for name in asked]
    expected = query_values(queries, gallery, ByItem(rest, ids), names=FIGURES)
    for relevance in (
        Within.of_labels(inner, asked, labels),
        Within.of_items(inner, asked, own, ids),
        Without(inner, out, ids),
    ):
        for block in (None, 2):
            found = query_values(queries, gallery, relevance, names=FIGURES, block=block)
            for name in FIGURES:
                np.testing.assert_allclose(found[name], expected[name], err_msg=name)
        counts = count_relevant(relevance, 9, 23)
        assert counts.sizes.tolist() == [len(own[name]) for name in asked]
        kept = sorted(rng.permutation(23)[:17].tolist())
        few = relevance.narrowed(kept)
        sizes = [len({ids[k] for k in kept} & {*own[name]}) for name in asked]
        grades = few.grades(slice(0, 9), np.tile(np.arange(len(kept)), (9, 1)))
        assert (~np.isnan(grades)).sum(axis=1).tolist() == sizes
    within = Within.of_labels(inner, asked, labels)
    both = within.widened(within).grades(slice(0, 9), np.tile(np.arange(46), (9, 1)))
    assert np.isnan(both[:, :23]).sum(axis=1).tolist() == [23 - len(own[n]) for n in asked]
    assert not np.isnan(both[:, 23:]).any()


def test_a_gallery_without_items_is_one_sentence():
    """Its name is known, but nothing of it is left."""
    relevance = Within.of_labels(ByLabel(["x"], ["y"]), ["x"], ["y"])
    with pytest.raises(InputError, match="query 0 searches a gallery without items"):
        query_values(np.eye(1, dtype=np.float32), np.eye(1, dtype=np.float32), relevance)


def test_queries_without_an_answer_count_0():
    """Hits 1, 1 0 1 and none at all: every figure counts the third query as 0; or it is refused."""
    eye = np.eye(3, dtype=np.float32)
    relevance, groups = ByLabel(["a", "b", "c"], ["a", "b", "b"]), ["g", "g", "h"]
    figures = ["mAP trapezoid macro", "P@2", "Recall@1"]
    report = evaluate_retrieval(eye, eye, relevance, groups, figures=figures, zeros=True)
    assert (report.queries, report.zeros, report.excluded) == (3, 1, 0)
    assert report.metrics["mAP"] == pytest.approx((1 + 5 / 6) / 3)
    assert report.metrics["mAP macro"] == pytest.approx((1 + 5 / 6) / 2 / 2)
    assert report.metrics["mAP trapezoid"] == pytest.approx((1 + 19 / 24) / 3, abs=1e-5)
    assert report.metrics["Recall@1"] == pytest.approx((1 + 1 / 2) / 3)
    assert report.metrics["P@2"] == pytest.approx((1 + 1 / 2) / 3)
    assert report.metrics["Top-1"] == pytest.approx(2 / 3)
    assert report.curve[0] == pytest.approx(2 / 3)
    with pytest.raises(InputError, match="1 of 3 queries have no relevant item"):
        evaluate_retrieval(eye, eye, relevance, groups)
    assert evaluate_retrieval(eye[2:], eye, ByLabel(["c"], ["a"] * 3), ["g"], zeros=True).zeros == 1
