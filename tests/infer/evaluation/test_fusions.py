"""Controls that compose without training: answers in a space of three axes, and who chooses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.data.records import Query
from zscr.data.relevance import ByItem, Truth
from zscr.data.tasks import Task
from zscr.infer.composition.affine import Affine
from zscr.infer.composition.composition import Fusion
from zscr.infer.evaluation.controls.fusions import (
    Parts,
    arithmetic_way,
    plain_ways,
    replacing_way,
)
from zscr.infer.evaluation.fused import Fused
from zscr.infer.evaluation.generalised import evaluate
from zscr.infer.evaluation.paired import paired_difference
from zscr.infer.evaluation.ranking import scored_blocks

RED, ROUND, OTHER = np.eye(3)
BOTH = (RED + ROUND) / 2**0.5
IDS = ("red", "round", "both", "other")
GALLERY = np.float32([RED, ROUND, BOTH, OTHER])
MEAN = np.float32([0, 0.6, 0.8])
ARITHMETIC = [arithmetic_way(MEAN, "less some texts"), replacing_way()]
WAYS = {way.name: way for way in [*plain_ways(), *ARITHMETIC]}


@pytest.fixture
def parts_of(embedded_of):
    """Return a function that makes the parts of queries: a red image, "but round", for `sought`."""

    def make(sought, image=RED, text=ROUND, replaced=RED, exclude=()):
        count = len(sought)
        truths = [Truth({name: 1.0}, exclude) for name in sought]
        asked = [f"q{n}" for n in range(count)]
        queries = tuple(Query(name, "but round", "reference.png") for name in asked)
        embedded = embedded_of(
            np.eye(1, 3).repeat(count, 0),
            GALLERY,
            asked,
            IDS,
            gallery=IDS,
            relevance=ByItem(truths, IDS),
            queries=queries,
            name="composed",
        )
        rows = (np.float32(np.tile(row, (count, 1))) for row in (image, text, replaced))
        image, text, replaced = rows
        return Parts(embedded.task, image, text, GALLERY, ["but round"] * count, replaced)

    return make


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("weighted average", {"text_weight": 0.5}, [0.7071, 0.7071, 1, 0]),
        ("weighted average", {"text_weight": 0.2}, [0.9701, 0.2425, 0.8575, 0]),
        ("product", {}, [0, 0, 0.5, 0]),
        ("Slerp", {"alpha": 0.8}, [0.3090, 0.9511, 0.8910, 0]),
        ("text arithmetic", {"factor": 1.0}, [0.7454, 0.2981, 0.7379, -0.5963]),
        ("text arithmetic", {"factor": 2.0}, [0.4880, 0.3904, 0.6211, -0.7807]),
        ("text arithmetic, replaced text known", {"factor": 1.0}, [0, 1, 0.7071, 0]),
        ("WeiCom", {"text_share": 0.0}, [0.9041, 0.1656, 0.7384, 0.1656]),
        ("WeiCom", {"text_share": 0.5}, [0.5348, 0.5348, 0.7384, 0.1656]),
    ],
)
def test_scores_by_hand(parts_of, name, values, expected):
    """A red image and "round": axes, their diagonal, and what the text is less of.

    Arithmetic at 1: RED + ROUND - MEAN = (1, .4, -.8), of length √1.8. WeiCom: the image's cosines
    (1, 0, √½, 0) have the mean .4268 and the deviation .4392, so 1 lies 1.3053 above it, Φ .9041.
    """
    ranked = WAYS[name].rank(parts_of(["both"]), values)
    np.testing.assert_allclose(ranked.scores(0), [expected], atol=2e-4)


def test_the_product_of_two_that_say_no_is_no_yes(parts_of):
    """Scores are floored at 0 before they are multiplied."""
    ranked = WAYS["product"].rank(parts_of(["both"], -RED, -ROUND), {})
    np.testing.assert_array_equal(ranked.scores(0), np.zeros((1, 4)))


def test_validation_queries_choose_and_judged_ones_do_not(parts_of):
    """Whatever is judged on, the same number is chosen; the best of it may be another one."""
    val, way = parts_of(["round"]), WAYS["weighted average"]
    [(first, said), (_, again)] = (way.judged(parts_of([name]), val) for name in ("round", "red"))
    assert said == again == {"val_mAP": 1.0, "text_weight": 0.8, "text_weight_at_edge": False}
    assert first.figure("mAP") == 1.0
    _, other = way.judged(parts_of(["round"]), parts_of(["red"]))
    assert other["text_weight"] == 0.05
    assert other["text_weight_at_edge"]


def test_the_published_numbers_stand_where_nothing_chooses(parts_of):
    """And it is said that they are; arithmetic says what its mean is of."""
    for name, published in (
        ("weighted average", {"text_weight": 0.5}),
        ("Slerp", {"alpha": 0.8}),
        ("WeiCom", {"text_share": 0.5}),
    ):
        ranked, said = WAYS[name].judged(parts_of(["both"]), None)
        assert said == {"published": published}
        by_hand = WAYS[name].rank(parts_of(["both"]), published)
        np.testing.assert_array_equal(ranked.scores(0), by_hand.scores(0))
    _, said = WAYS["text arithmetic"].judged(parts_of(["both"]), None)
    assert said == {"published": {"factor": 1.0}, "about": "less some texts"}
    assert WAYS["product"].judged(parts_of(["both"]), parts_of(["red"]))[1] == {}


def test_what_equals_a_control_is_not_ahead_of_it(parts_of):
    """Its paired difference is 0, and so are both bounds, whatever the queries' own figures."""
    parts = parts_of(["both", "round", "red", "round"])
    mean = evaluate(WAYS["weighted average"].rank(parts, {"text_weight": 0.5})).to_json()
    slerp = evaluate(WAYS["Slerp"].rank(parts, {"alpha": 0.5})).to_json()  # of equal weights
    assert len({row["metrics"]["mAP"] for row in mean["per_group"]}) == 3
    found = paired_difference(mean, slerp)
    assert found == {"mean": 0.0, "interval": [0.0, 0.0], "ahead": 0, "groups": 4}


def _task():
    return Task("t", "", "val", (), (), "image", ByItem([], ()), ())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["product", "harris", "cdf"]))
def test_fused_scores_are_the_same_in_any_blocks_and_ties_keep_the_gallerys_order(seed, kind):
    """Copies of images tie exactly, however many queries are scored at a time, and alone."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((40, 24)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    gallery = rows[np.arange(90) % 30]
    channels = tuple(
        Affine(some, rng.uniform(0.5, 2, 5), rng.standard_normal(5)) for some in (rows[30:35],) * 2
    )
    fusion = Fusion(kind, value=None if kind == "product" else 0.1)
    queries = tuple(Query(str(n), "t") for n in range(5))
    task = replace(_task(), queries=queries, gallery=tuple(map(str, range(90))))
    scorer = Fused(task, channels, gallery, fusion).scorer
    whole = next(scored_blocks(scorer, block=5))[1]
    assert (whole[:, :30] == whole[:, 30:60]).all()
    for block in (1, 3):
        parts = np.concatenate([scores for _, scores in scored_blocks(scorer, block=block)])
        np.testing.assert_array_equal(parts, whole)
    [(_, alone)] = scored_blocks(scorer.row(3))
    np.testing.assert_array_equal(alone, whole[3:4])
    if kind != "cdf":  # which asks how a query's own gallery scores
        [(_, part)] = scored_blocks(scorer.part(slice(1, 3), np.array([7, 2, 40])))
        np.testing.assert_array_equal(part, whole[1:3, [7, 2, 40]])


def test_stored_moments_stand_for_those_of_the_gallery(parts_of):
    """By hand: at the mean of a channel Φ is 1/2, one deviation above it .8413."""
    parts = parts_of(["both", "red"])
    fused = WAYS["WeiCom"].rank(parts, {"text_share": 0.0})
    mean, half = np.array([[0.5], [0.0]]), np.full((2, 1), 0.5)
    known = replace(fused, moments=((mean, half), (mean, half)))
    np.testing.assert_allclose(known.scores(0)[0, :2], [0.8413, 0.1587], atol=1e-4)  # of 1 and 0
    np.testing.assert_allclose(known.scores(1)[0, :2], [0.9772, 0.5], atol=1e-4)
    part = known.scorer.part(slice(1, 2), np.array([1, 0]))
    np.testing.assert_allclose(next(scored_blocks(part))[1], [[0.5, 0.9772]], atol=1e-4)


def test_a_wider_gallery_is_scored_by_the_same_channels(parts_of):
    """Its own items first; what was scored before scores the same."""
    first, second = (WAYS["product"].rank(parts_of([name]), {}) for name in ("both", "red"))
    both = first.with_gallery_of(second)
    np.testing.assert_array_equal(both.scores(0), np.tile(first.scores(0), 2))
    assert both.task.gallery == IDS * 2
