"""Each metric against hand-computed values, trec_eval, and the properties that define it."""

from itertools import pairwise

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import average_precision_score, precision_recall_curve

from zscr.errors import InputError
from zscr.infer.evaluation import average_precision as ap
from zscr.infer.evaluation import metrics
from zscr.infer.evaluation.ranking import rank

# The class ids that the ZSCRGAN reference's README shows as retrieved for a query of class 3.
README_TOP_50 = (
    "3 3 3 25 25 48 3 25 3 25 25 25 3 3 3 48 3 22 25 25 3 48 25 22 48 "
    "25 3 3 25 3 48 3 48 3 3 48 3 3 48 3 25 3 3 25 48 3 3 3 25 3"
).split()

relevance = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=60))
answerable = relevance.filter(lambda hits: hits.any(axis=1).all())


def hits_of(*rows):
    return np.array(rows, dtype=bool)


def test_docstring_examples():
    """The values worked out by hand in the docstrings are what the functions return."""
    hits = hits_of([1, 0, 1])
    assert rank(np.array([[0.2, 0.9, 0.9]])).tolist() == [[1, 2, 0]]
    assert metrics.precision_at_k(hits, 2) == 1 / 2
    assert metrics.precision_at_k(hits, 50) == 2 / 3
    assert metrics.recall_at_k(hits, 2) == 1 / 2
    assert metrics.recall_at_k(hits, 3) == 1
    assert metrics.top_1(hits) == 1
    late = hits_of([0, 1, 1])
    assert [metrics.hit_at_k(late, k)[0] for k in (1, 2)] == [0, 1]
    assert metrics.first_rank(late) == 2
    for ranks in ([1, 4, 9], [1, 4, 5, 9]):
        assert metrics.median_rank(np.array(ranks)) == 4
    assert ap.average_precision(hits) == pytest.approx(5 / 6)
    assert ap.trapezoid_precision(hits)[0] == pytest.approx((1 + 7 / 12) / 2.00001)
    assert ap.trapezoid_precision(hits_of([0, 1]))[0] == pytest.approx(0.25 / 1.00001)
    four = hits_of([1, 0, 1, 0])
    assert [metrics.precision_of_relevant_at_k(four, k)[0] for k in (2, 3, 50)] == [0.5, 1, 1]
    five = hits_of([1, 0, 1, 0, 1])
    assert ap.average_precision_at_k(five, 3, "hits") == pytest.approx(5 / 6)
    assert ap.average_precision_at_k(five, 3, "relevant") == pytest.approx(5 / 9)
    dip = hits_of([1, 0, 1, 1])
    assert ap.interpolated_average_precision(dip) == pytest.approx(5 / 6)
    assert ap.interpolated_average_precision(dip, 3) == pytest.approx(5 / 9)
    assert ap.average_precision(dip) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    every_second = hits_of([0, 1, 0, 1])
    assert ap.average_precision(every_second) == 0.5
    assert ap.interpolated_average_precision(every_second) == 0.5


def test_readme_example_of_the_reference():
    """The list printed by ZSCRGAN's README gives P@50 .500, AP .54292 by hits, .27146 by 50."""
    top = [class_id == "3" for class_id in README_TOP_50]
    hits = hits_of(top + [True] * 30)  # a class of 55 images, so that min(50, n) = 50
    assert metrics.precision_at_k(hits, 50) == 0.5
    assert ap.average_precision_at_k(hits, 50, "hits")[0] == pytest.approx(0.54292, abs=5e-6)
    by_50 = ap.average_precision_at_k(hits, 50, "relevant")[0]
    assert by_50 == pytest.approx(0.27146, abs=5e-6)


def test_agrees_with_trec_eval_including_ties():
    """On random rankings full of ties every metric equals trec_eval's."""
    rng = np.random.default_rng(0)
    queries, gallery = 40, 120
    scores = rng.integers(0, 12, (queries, gallery)).astype(np.float64)
    relevant = rng.random((queries, gallery)) < rng.choice([0.05, 0.7], (queries, 1))
    relevant[:, 0] = True
    # trec_eval orders ties by document id, descending; ids that descend along the gallery make
    # that the gallery's order, which is how `rank` breaks ties.
    ids = [f"d{gallery - position:04d}" for position in range(gallery)]
    run = {f"{q}": dict(zip(ids, map(float, scores[q]), strict=True)) for q in range(queries)}
    truth = {f"{q}": dict(zip(ids, map(int, relevant[q]), strict=True)) for q in range(queries)}
    names = ("map", "map_cut_50", "P_1", "P_10", "P_50", "recall_1", "recall_10", "recall_50")
    judged = pytrec_eval.RelevanceEvaluator(
        truth, {"map", "map_cut.50", "P.1,10,50", "recall.1,10,50"}
    ).evaluate(run)
    expected = {name: [judged[f"{q}"][name] for q in range(queries)] for name in names}

    hits = np.take_along_axis(relevant, rank(scores), axis=1)
    n = relevant.sum(axis=1)
    by_all = ap.average_precision_at_k(hits, 50, "relevant") * np.minimum(50, n) / n
    ours = {"map": ap.average_precision(hits), "map_cut_50": by_all}
    ours |= {f"P_{k}": metrics.precision_at_k(hits, k) for k in (1, 10, 50)}
    ours |= {f"recall_{k}": metrics.recall_at_k(hits, k) for k in (1, 10, 50)}
    assert n.min() < 50 < n.max(), "both sides of min(k, n) must occur"
    for name in names:
        np.testing.assert_allclose(ours[name], expected[name], atol=1e-6, err_msg=name)


def test_interpolated_precision_by_hand():
    """Two hits at ranks 1 and 3: 1 up to recall .5, 2/3 above; a later peak counts at once."""
    curves = ap.interpolated_precision(hits_of([1, 0, 1, 0], [0, 0, 1, 1]))
    np.testing.assert_allclose(curves, [[1] * 6 + [2 / 3] * 5, [1 / 2] * 11])


def test_interpolated_precision_is_trec_evals():
    """At all eleven recall levels, for classes of 1 to 60 relevant items of 90.

    But for recall .7 of 3, 33 and 53 items, where trec_eval's `int(0.7 * 3 + 0.9)` is 2: too few.
    """
    rng = np.random.default_rng(1)
    numbers = [*range(1, 61)]
    hits = np.zeros((60, 90), bool)
    for row, number in zip(hits, numbers, strict=True):
        row[rng.permutation(90)[:number]] = True
    run = {f"{q}": {f"{r}": float(-r) for r in range(90)} for q in range(60)}
    truth = {f"{q}": {f"{r}": int(hits[q, r]) for r in range(90)} for q in range(60)}
    judged = pytrec_eval.RelevanceEvaluator(truth, {"iprec_at_recall"}).evaluate(run)
    expected = [
        [judged[f"{q}"][f"iprec_at_recall_{level:.2f}"] for level in ap.RECALL_LEVELS]
        for q in range(60)
    ]
    found = ap.interpolated_precision(hits)
    wrong = np.zeros(found.shape, bool)
    wrong[[2, 32, 52], 7] = True
    np.testing.assert_allclose(found[~wrong], np.array(expected)[~wrong], atol=1e-6)
    last = np.flatnonzero(hits[2])[-1] + 1
    assert found[2, 7] == 3 / last, "recall .7 of 3 items needs all three"


@given(answerable)
def test_interpolated_precision_falls_and_starts_at_the_best_precision(hits):
    """The curve never rises, and ends at the precision of the rank where all are found."""
    curves = ap.interpolated_precision(hits)
    assert (np.diff(curves, axis=1) <= 0).all()
    for row, curve in zip(hits, curves, strict=True):
        at_hits = np.cumsum(row)[row] / (np.flatnonzero(row) + 1)
        assert (curve[0], curve[-1]) == (at_hits.max(), at_hits[-1])


def envelope_area(ranking, k):
    """VOC's AP of the first k, read aloud: each step of recall times the best precision beyond."""
    top, total = ranking[:k], min(k, sum(ranking))
    found = [sum(top[: r + 1]) for r in range(len(top))]
    recall = [0.0, *(f / total for f in found)]
    precision = [f / (r + 1) for r, f in enumerate(found)]
    steps = [b - a for a, b in pairwise(recall)]
    return sum(step * max(precision[r:]) for r, step in enumerate(steps))


@given(answerable, st.integers(1, 70))
def test_interpolated_average_precision_is_the_area_below_the_envelope(hits, k):
    """Over all ranks and the first k, even where nothing stands there; never below plain AP."""
    rankings = hits.tolist()
    for found, depth in (
        (ap.interpolated_average_precision(hits), hits.shape[1]),
        (ap.interpolated_average_precision(hits, k), k),
    ):
        np.testing.assert_allclose(found, [envelope_area(row, depth) for row in rankings])
        plain = ap.average_precision_at_k(hits, depth, "relevant")
        assert (found >= plain - 1e-12).all()


def test_both_average_precisions_are_what_sklearns_curve_gives():
    """Its precision-recall curve, stepwise and below its envelope."""
    rng = np.random.default_rng(4)
    hits = rng.random((30, 80)) < rng.choice([0.05, 0.5], (30, 1))
    hits[:, -1] = True
    for row, plain, best in zip(
        hits,
        ap.average_precision(hits),
        ap.interpolated_average_precision(hits),
        strict=True,
    ):
        precision, recall, _ = precision_recall_curve(row, -np.arange(80.0))
        steps, envelope = -np.diff(recall), np.maximum.accumulate(precision[:-1])
        assert plain == pytest.approx(average_precision_score(row, -np.arange(80.0)))
        assert best == pytest.approx(steps @ envelope)


def test_harmonic_mean():
    """Of 1/2 and 1/4, 1/3; nothing on one side is nothing; of nothing, nothing."""
    assert metrics.harmonic_mean(0.5, 0.25) == pytest.approx(1 / 3)
    assert metrics.harmonic_mean(0.0, 0.9) == 0
    assert metrics.harmonic_mean(0.0, 0.0) == 0


def test_macro_and_micro_on_uneven_groups():
    """Groups a, a, a, b with 1, 0, 0, 1: the queries' mean is 1/2, the groups' mean 2/3."""
    values, groups = np.array([1.0, 0.0, 0.0, 1.0]), ["a", "a", "a", "b"]
    assert metrics.micro(values) == 0.5
    assert metrics.macro(values, groups) == pytest.approx(2 / 3)
    assert metrics.by_group(values, groups) == pytest.approx({"a": 1 / 3, "b": 1})


def test_precision_divides_by_each_querys_own_gallery():
    """Three rankings of 4, 2 and 1 items: k counts up to the end of each, and no further."""
    hits, sizes = hits_of([1, 0, 1, 0], [1, 0, 0, 0], [1, 0, 0, 0]), np.array([4, 2, 1])
    assert metrics.precision_at_k(hits, 3, sizes).tolist() == [2 / 3, 1 / 2, 1]
    assert metrics.precision_at_k(hits, 1, sizes).tolist() == [1, 1, 1]
    assert metrics.precision_at_k(hits, 9, sizes).tolist() == [1 / 2, 1 / 2, 1]
    assert metrics.precision_ceiling(np.array([2, 1, 1]), 3, sizes).tolist() == [2 / 3, 1 / 2, 1]


def test_ceiling_is_reached_by_a_perfect_ranking_and_by_no_other():
    """The ceiling equals the precision of a ranking with all relevant items first."""
    n = np.array([3, 41, 60])
    perfect = np.arange(100) < n[:, None]
    ceiling = metrics.precision_ceiling(n, 50, np.full(3, 100))
    assert ceiling.tolist() == [0.06, 0.82, 1.0]
    np.testing.assert_array_equal(metrics.precision_at_k(perfect, 50), ceiling)
    assert (metrics.precision_at_k(perfect[:, ::-1], 50) < ceiling).all()
    small = metrics.precision_ceiling(np.array([3]), 50, np.array([4]))
    assert small == 0.75, "a gallery smaller than k"


@given(answerable, st.integers(1, 70))
def test_all_metrics_are_shares_and_norms_are_ordered(hits, k):
    """Every metric lies in [0, 1], and AP by relevant never exceeds AP by hits."""
    by_hits = ap.average_precision_at_k(hits, k, "hits")
    by_relevant = ap.average_precision_at_k(hits, k, "relevant")
    shares = [by_hits, by_relevant, ap.average_precision(hits), metrics.top_1(hits)]
    shares += [metrics.precision_at_k(hits, k), metrics.recall_at_k(hits, k)]
    for values in shares:
        assert values.shape == (len(hits),)
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()
    assert (by_relevant <= by_hits + 1e-12).all()


@given(answerable, st.integers(1, 70))
def test_a_perfect_ranking_gives_one_and_only_it_does(hits, k):
    """AP is 1 exactly where all relevant items stand first."""
    perfect = -np.sort(-hits.astype(int), axis=1) == 1
    assert ap.average_precision(perfect) == pytest.approx(1)
    assert ap.average_precision_at_k(perfect, k, "relevant") == pytest.approx(1)
    is_perfect = (hits == perfect).all(axis=1)
    np.testing.assert_array_equal(ap.average_precision(hits) > 1 - 1e-9, is_perfect)


def test_queries_without_a_relevant_item_are_refused_where_undefined():
    """Recall and AP name how many queries have no value instead of returning NaN or 0."""
    hits = hits_of([1, 0], [0, 0], [0, 0])
    for metric in (
        ap.average_precision,
        ap.interpolated_precision,
        ap.interpolated_average_precision,
        lambda h: metrics.recall_at_k(h, 1),
        lambda h: ap.average_precision_at_k(h, 1, "relevant"),
    ):
        with pytest.raises(InputError, match="2 of 3 queries .* the first is query 1"):
            metric(hits)
    assert ap.average_precision_at_k(hits, 2, "hits").tolist() == [1, 0, 0]


def test_nan_scores_are_refused():
    """NaN compares false with everything, so a ranking with it would be arbitrary."""
    with pytest.raises(InputError, match="1 of 2 queries have a NaN score, the first is query 1"):
        rank(np.array([[1.0, 0.0], [np.nan, 1.0]]))


@given(answerable)
def test_trapezoids_are_what_a_loop_over_hits_finds(hits):
    """FreeDom's and i-CIR's definition, hit by hit; never above the ordinary average precision."""
    for row, found in zip(hits, ap.trapezoid_precision(hits), strict=True):
        area = 0.0
        for number, rank_before in enumerate(np.flatnonzero(row)):
            before = number / rank_before if rank_before else 1.0
            area += (before + (number + 1) / (rank_before + 1)) / 2
        assert found == pytest.approx(area / (row.sum() + 1e-5))
    assert (ap.trapezoid_precision(hits) <= ap.average_precision(hits) + 1e-12).all()
