"""One evaluation from embeddings: its figures, its bounds, and what must not change them."""

import json
import re
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.data.relevance import ByLabel
from zscr.errors import ConfigError, InputError
from zscr.infer.evaluation import metrics
from zscr.infer.evaluation.average_precision import average_precision
from zscr.infer.evaluation.figures import DEFINITIONS
from zscr.infer.evaluation.ranking import Cosines, rank, ranked_blocks
from zscr.infer.evaluation.report import evaluate_retrieval


def unit(rng, rows, dim=8):
    vectors = rng.standard_normal((rows, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def problem(seed, queries=30, gallery=80, classes=6):
    """Noisy class centres as embeddings: better than chance, far from perfect."""
    rng = np.random.default_rng(seed)
    query_classes = [f"c{c}" for c in rng.integers(0, classes, queries)]
    gallery_classes = [f"c{c}" for c in [*range(classes), *rng.integers(0, classes, gallery)]]
    centre = {f"c{c}": v for c, v in enumerate(unit(rng, classes))}

    def embed(ids):
        noisy = np.array([centre[c] for c in ids]) + unit(rng, len(ids)) * np.float32(0.9)
        return noisy / np.linalg.norm(noisy, axis=1, keepdims=True)

    return {
        "queries": embed(query_classes),
        "gallery": embed(gallery_classes),
        "relevance": ByLabel(query_classes, gallery_classes),
        "groups": query_classes,
    }


def test_two_classes_by_hand():
    """Every figure of a gallery of four, worked out by hand."""
    right, up = [1.0, 0.0], [0.0, 1.0]
    gallery = np.array([right, [0.8, 0.6], [0.6, 0.8], up], np.float32)
    report = evaluate_retrieval(
        np.array([right, right, up], np.float32),
        gallery,
        ByLabel(["a", "a", "b"], ["a", "b", "a", "a"]),
        ["a", "a", "b"],
    )
    # From `right` the classes come as a b a a, from `up` as a a b a.
    ap_a, ap_b = (1 + 2 / 3 + 3 / 4) / 3, 1 / 3
    expected = {
        "Prec@1 macro": 1 / 2,
        "Prec@1 micro": 2 / 3,
        "Prec@1 ceiling": 1,
        "Prec@50 macro": (3 / 4 + 1 / 4) / 2,
        "Prec@50 micro": (3 / 4 + 3 / 4 + 1 / 4) / 3,
        "Prec@50 ceiling": (3 / 4 + 1 / 4) / 2,
        "Recall@1": (1 / 3 + 1 / 3 + 0) / 3,
        "Recall@10": 1,
        "AP@50 hits": (2 * ap_a + ap_b) / 3,
        "AP@50 relevant macro": (ap_a + ap_b) / 2,
        "mAP": (2 * ap_a + ap_b) / 3,
        "mAP macro": (ap_a + ap_b) / 2,
        "Top-1": 2 / 3,
    }
    assert {name: report.metrics[name] for name in expected} == pytest.approx(expected)
    assert (report.queries, report.gallery, report.groups, report.excluded) == (3, 4, 2, 0)
    assert [(r.group, r.queries, r.relevant) for r in report.per_group] == [
        ("a", 2, 3),
        ("b", 1, 1),
    ]
    own = [
        {"Prec@10": 3 / 4, "mAP": ap_a, "Top-1": 1, "Prec@50 ceiling": 3 / 4},
        {"Prec@10": 1 / 4, "mAP": ap_b, "Top-1": 0, "Prec@50 ceiling": 1 / 4},
    ]
    for row, figures in zip(report.per_group, own, strict=True):
        assert {name: row.metrics[name] for name in figures} == pytest.approx(figures)
    # one hit of three is recall .3, which rank 1 gives; two are .6, at 3 of rank 4 at the latest
    assert report.curve == pytest.approx([(2 * 1 + 1 / 3) / 3] * 4 + [(2 * 3 / 4 + 1 / 3) / 3] * 7)
    assert report.chance == pytest.approx((3 / 4 + 3 / 4 + 1 / 4) / 3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40))
def test_block_size_and_names_of_classes_change_nothing(seed, block):
    """Ranking in blocks of any size, and renaming the classes, leave every figure as it was."""
    given_ = problem(seed)
    report = evaluate_retrieval(**given_)
    asked, found = (
        [f"class {9 - int(c[1:])}" for c in side]
        for side in (given_["relevance"].queries, given_["relevance"].gallery)
    )
    renamed = {"relevance": ByLabel(asked, found), "groups": asked}
    other = evaluate_retrieval(**given_ | renamed, block=block)
    assert other.metrics == pytest.approx(report.metrics, abs=1e-12)
    assert (other.chance, other.groups) == (report.chance, report.groups)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_figures_lie_between_nothing_and_their_ceilings(seed):
    """No macro precision passes its ceiling, and Prec@1 is Top-1."""
    figures = evaluate_retrieval(**problem(seed)).metrics
    for k in (1, 10, 50):
        assert 0 <= figures[f"Prec@{k} macro"] <= figures[f"Prec@{k} ceiling"] + 1e-12
    assert figures["Prec@1 micro"] == figures["Top-1"]


def test_equal_images_tie_and_keep_the_order_of_the_gallery():
    """Copies of one vector rank in gallery order wherever BLAS places them in its tiles."""
    rng = np.random.default_rng(3)
    distinct = unit(rng, 7, dim=100)
    gallery = distinct[
        np.arange(707) % 7
    ]  # 707 is no multiple of any tile, so sums differ in order
    queries = unit(rng, 50, dim=100)
    for _, order in ranked_blocks(Cosines(queries, gallery), block=13):
        groups = order.reshape(len(order), 7, 101)
        assert (np.diff(groups, axis=2) == 7).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_intervals_hold_every_figure_that_is_a_mean(seed):
    """The figure itself lies within; macro intervals are of macro figures, micro of micro."""
    report = evaluate_retrieval(**problem(seed))
    means = {name for name in report.metrics if not name.endswith("ceiling")}
    assert set(report.intervals) == means
    for name in means:
        low, high = report.intervals[name]
        assert low - 1e-9 <= report.metrics[name] <= high + 1e-9, name


def test_micro_intervals_weigh_groups_by_their_queries():
    """One class of 50 perfect queries beside 9 of one wrong query: macro is 1/10, micro 50/59."""
    axes = np.eye(10, dtype=np.float32)
    asked = ["c0"] * 50 + [f"c{n}" for n in range(1, 10)]
    found = [f"c{n}" for n in range(10)]
    queries = np.concatenate([axes[:1]] * 59)  # all look like class 0
    report = evaluate_retrieval(queries, axes, ByLabel(asked, found), asked)
    assert report.metrics["Top-1 macro"] == pytest.approx(1 / 10)
    assert report.metrics["Top-1"] == pytest.approx(50 / 59)
    assert report.intervals["Top-1 macro"][1] < 1 / 2
    assert report.intervals["Top-1"][1] > 9 / 10


def test_chance_is_what_random_rankings_give():
    """The mean Prec@10 over many random rankings agrees with the exact expectation."""
    rng = np.random.default_rng(1)
    given_ = problem(5, queries=4000, gallery=300)
    random = {"queries": unit(rng, 4000, 64), "gallery": unit(rng, 306, 64)}
    report = evaluate_retrieval(**given_ | random)
    assert report.metrics["Prec@10 micro"] == pytest.approx(report.chance, abs=0.02)
    assert report.metrics["Prec@50 micro"] == pytest.approx(report.chance, abs=0.02)


def test_queries_without_anything_relevant_are_refused_or_counted():
    """Nothing is left out unless asked for, and then the report says how much."""
    given_ = problem(0)
    plain = evaluate_retrieval(**given_)
    asked = ["x", *given_["groups"], "y"]
    rows = given_["queries"]
    more = given_ | {
        "queries": np.concatenate([rows[:1], rows, rows[:1]]),
        "relevance": ByLabel(asked, given_["relevance"].gallery),
        "groups": asked,
    }
    with pytest.raises(InputError, match="2 of 32 queries .* 2 groups .*'x'"):
        evaluate_retrieval(**more)
    report = evaluate_retrieval(**more, exclude_unanswerable=True)
    assert (report.excluded, report.queries) == (2, 30)
    assert report.metrics == plain.metrics
    assert (report.per_group, report.curve) == (plain.per_group, plain.curve)
    nothing = more | {"relevance": ByLabel(["x"] * 32, given_["relevance"].gallery)}
    with pytest.raises(InputError, match="32 of 32 queries"):
        evaluate_retrieval(**nothing, exclude_unanswerable=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": ["c0"]}, "30 query embeddings but 1 groups of queries"),
        ({"gallery": np.ones((86, 8), np.float32)}, "86 of 86 gallery .* norm 2.828; L2"),
        ({"queries": np.full((30, 8), np.nan, np.float32)}, "30 of 30 query .* norm nan"),
        ({"queries": np.eye(30, dtype=np.float32)}, "30 dimensions, gallery embeddings 8"),
        ({"queries": np.zeros((0, 8), np.float32)}, r"shape \(0, 8\)"),
    ],
    ids=["groups", "norm", "nan", "dimension", "empty"],
)
def test_inputs_that_do_not_fit_are_refused(change, message):
    """Each mismatch is one sentence with the numbers."""
    with pytest.raises(InputError, match=message):
        evaluate_retrieval(**problem(0) | change)


def test_report_as_json_explains_itself():
    """The report survives JSON without NaN and carries the definition of its figures."""
    report = evaluate_retrieval(**problem(0))
    content = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert content["metrics"] == report.metrics
    assert set(content) <= {f.name for f in fields(report)} | {"intervals"}
    for name in ("intervals", "curve", "per_group", "sd", "generalised", "harmonic"):
        assert name in DEFINITIONS
    for name in report.metrics:
        stem = name.removesuffix(" macro").removesuffix(" micro").removesuffix(" ceiling")
        assert re.sub(r"@\d+", "@k", stem) in DEFINITIONS, name


def test_embeddings_and_hits_give_the_same_figures():
    """The report equals the metrics applied to the whole score matrix at once."""
    given_ = problem(2)
    order = rank(given_["queries"].astype(float) @ given_["gallery"].astype(float).T)
    classes = np.array(given_["relevance"].gallery)[order]
    hits = classes == np.array(given_["groups"])[:, None]
    figures = evaluate_retrieval(**given_, block=7).metrics
    assert figures["mAP"] == pytest.approx(average_precision(hits).mean())
    assert figures["Recall@10"] == pytest.approx(metrics.recall_at_k(hits, 10).mean())


def test_a_tasks_own_figures_are_reported_too():
    """Under the names of the report, at their own k, with intervals and, of precision, ceilings."""
    given_ = problem(4)
    names = ("Recall@5", "Prec@7", "AP@3 hits macro", "mAP")
    report = evaluate_retrieval(**given_, figures=names)
    assert report.figures == ("Recall@5", "Prec@7 micro", "AP@3 hits macro", "mAP")
    plain = evaluate_retrieval(**given_)
    assert plain.figures == ()
    assert {name: report.metrics[name] for name in plain.metrics} == plain.metrics
    for name in report.figures:
        low, high = report.intervals[name]
        assert low <= report.metrics[name] <= high
    assert report.metrics["Prec@7 macro"] <= report.metrics["Prec@7 ceiling"] <= 1
    assert plain.metrics["Recall@1"] < report.metrics["Recall@5"] < plain.metrics["Recall@10"]
    with pytest.raises(ConfigError, match="'Recall@all' is no figure"):
        evaluate_retrieval(**given_, figures=["Recall@all"])
