"""A report's groups, chance and ceilings where relevance is by item: against plain loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.data.relevance import ByItem, Truth
from zscr.infer.evaluation.report import evaluate_retrieval

GALLERY = [f"i{n}" for n in range(30)]


def unit(rng, rows):
    vectors = rng.standard_normal((rows, 8)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def truths_of(rng, number):
    """Queries with one to eight relevant items each, and up to sixteen of the others left out."""
    truths = []
    for _ in range(number):
        shuffled = [GALLERY[n] for n in rng.permutation(30)]
        relevant, rest = shuffled[: rng.integers(1, 9)], shuffled[9:]
        truths.append(Truth(dict.fromkeys(relevant, 1.0), tuple(rest[: rng.integers(0, 17)])))
    return truths


def mean(values):
    return sum(values) / len(values)


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_groups_are_means_over_their_queries(seed):
    """Each query evaluated alone gives its figures; a group's and the report's are their means."""
    rng = np.random.default_rng(seed)
    truths, groups = truths_of(rng, 40), [f"g{n}" for n in rng.integers(0, 7, 40)]
    queries, gallery = unit(rng, 40), unit(rng, 30)
    report = evaluate_retrieval(queries, gallery, ByItem(truths, GALLERY), groups)
    alone = [
        evaluate_retrieval(queries[n : n + 1], gallery, ByItem([truths[n]], GALLERY), ["g"])
        for n in range(40)
    ]
    members = {g: [n for n in range(40) if groups[n] == g] for g in groups}
    assert [row.group for row in report.per_group] == [*members]
    for row in report.per_group:
        own = members[row.group]
        assert row.queries == len(own)
        assert row.relevant == pytest.approx(mean([len(truths[n].relevant) for n in own]))
    for metric, name in (("mAP", "mAP"), ("Prec@10", "Prec@10 micro"), ("Top-1", "Top-1")):
        means = [mean([alone[n].metrics[name] for n in own]) for own in members.values()]
        found = [row.metrics[metric] for row in report.per_group]
        np.testing.assert_allclose(found, means, atol=1e-12)
        assert report.metrics[f"{metric} macro"] == pytest.approx(mean(means), abs=1e-12)
        micro = mean([one.metrics[name] for one in alone])
        assert report.metrics[name] == pytest.approx(micro, abs=1e-12)
    np.testing.assert_allclose(report.curve, np.mean([one.curve for one in alone], axis=0))


@settings(max_examples=15)
@given(st.integers(0, 2**32 - 1))
def test_chance_and_ceilings_follow_each_querys_own_gallery(seed):
    """Relevant items and sizes counted by hand; a perfect ranking reaches the ceiling."""
    rng = np.random.default_rng(seed)
    truths, groups = truths_of(rng, 12), [f"g{n % 5}" for n in range(12)]
    gallery = np.eye(30, dtype=np.float32)
    queries = np.array([[name in t.relevant for name in GALLERY] for t in truths], np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    report = evaluate_retrieval(queries, gallery, ByItem(truths, GALLERY), groups)
    relevant = [len(truth.relevant) for truth in truths]
    sizes = [30 - len(truth.exclude) for truth in truths]
    assert report.chance == pytest.approx(
        mean([n / s for n, s in zip(relevant, sizes, strict=True)])
    )
    for k in (1, 10, 50):
        best = [min(n, k) / min(s, k) for n, s in zip(relevant, sizes, strict=True)]
        by_group = [mean([best[n] for n in range(12) if n % 5 == group]) for group in range(5)]
        assert report.metrics[f"Prec@{k} ceiling"] == pytest.approx(mean(by_group))
        assert report.metrics[f"Prec@{k} macro"] == pytest.approx(mean(by_group))
        found = [row.metrics[f"Prec@{k} ceiling"] for row in report.per_group]
        assert found == pytest.approx(by_group)


def test_a_subset_by_hand():
    """Of five items three are asked about; the best of them is right, so all that counts is 1."""
    truth = Truth({"i1": 1}, subset=("i1", "i3", "i4"))
    gallery = np.eye(5, dtype=np.float32)
    query = np.float32([[0.8, 0.4, 0.4, 0.2, 0]])
    query /= np.linalg.norm(query)
    relevance = ByItem([truth], [f"i{n}" for n in range(5)])
    figures = evaluate_retrieval(query, gallery, relevance, ["g"], figures=["Recall@2"])
    expected = {
        "Top-1": 1,
        "mAP": 1,
        "Recall@2": 1,
        "Prec@10 micro": 1 / 3,
        "Prec@10 ceiling": 1 / 3,
    }
    assert {name: figures.metrics[name] for name in expected} == pytest.approx(expected)
    assert (figures.chance, figures.gallery) == (pytest.approx(1 / 3), 5)
    whole = evaluate_retrieval(query, gallery, ByItem([Truth({"i1": 1})], relevance.gallery), ["g"])
    assert whole.metrics["mAP"] == 1 / 2
