"""Figures by name, at any k, with items left out of rankings: against definitions in loops."""

from __future__ import annotations

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.data.relevance import ByItem, Truth
from zscr.errors import ConfigError, InputError
from zscr.infer.evaluation.figures import (
    CURVE,
    FIRST,
    PER_QUERY,
    is_figure,
    query_values,
    read_figure,
    summary_names,
)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def problem(seed, queries=12, gallery=25):
    """Random embeddings with copies among them, and truths with exclusions and subsets."""
    rng = np.random.default_rng(seed)
    rows = unit(rng.standard_normal((gallery, 5)))[rng.integers(gallery, size=gallery)]
    names, truths = [f"i{n}" for n in range(gallery)], []
    for _ in range(queries):
        shuffled = [names[n] for n in rng.permutation(gallery)]
        subset = shuffled[: rng.integers(4, gallery)] if rng.random() < 0.4 else []
        pool = subset or shuffled
        number = rng.integers(1, len(pool) - 1)
        relevant = {name: float(rng.choice([0.5, 1, 3])) for name in pool[:number]}
        spare = [*pool[number:], "of another gallery"]
        exclude = spare[: rng.integers(0, len(spare))] if rng.random() < 0.6 else []
        truths.append(Truth(relevant, tuple(exclude), tuple(rng.permutation(subset).tolist())))
    return unit(rng.standard_normal((queries, 5))), rows, truths, names


def rankings(queries, gallery, truths, names):
    """Each query's own ranking, as whether each item is relevant: sorted, then filtered."""
    for query, truth in zip(queries.astype(float), truths, strict=True):
        scores = [round(float(query @ item), 9) for item in gallery.astype(float)]
        best_first = sorted(range(len(names)), key=lambda n: (-scores[n], n))
        asked = [names[n] for n in best_first if names[n] not in truth.exclude]
        asked = [name for name in asked if not truth.subset or name in truth.subset]
        yield [name in truth.relevant for name in asked]


def by_definition(name, ranking):
    """A figure of one ranking, read aloud."""
    total = sum(ranking)
    if name == "Top-1":
        return float(ranking[0])
    if name == "mAP":
        name, k = "AP relevant", len(ranking)
    else:
        start = name.index("@") + 1
        digits = name[start:].split()[0]
        name, k = name[: start - 1] + name[start + len(digits) :], int(digits)
    first = ranking[:k]
    if name == "Prec":
        return sum(first) / len(first)
    if name == "Recall":
        return sum(first) / total
    if name == "R":
        return float(any(first))
    precisions = [sum(ranking[: r + 1]) / (r + 1) for r, right in enumerate(first) if right]
    divisor = {"AP hits": max(1, len(precisions)), "AP relevant": min(k, total)}[name]
    return sum(precisions) / divisor


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.sampled_from([None, 1, 5]))
def test_every_figure_at_any_k_equals_its_definition(seed, k, block):
    """With relevant items by id, exclusions and subsets, ties, and blocks of any size."""
    queries, gallery, truths, names = problem(seed)
    figures = [f"Prec@{k}", f"Recall@{k}", f"R@{k}", f"AP@{k} hits", f"AP@{k} relevant"]
    figures += PER_QUERY
    relevance = ByItem(truths, names)
    found = query_values(queries, gallery, relevance, names=figures, block=block)
    ranked = [*rankings(queries, gallery, truths, names)]
    assert len({len(ranking) for ranking in ranked}) > 1, "galleries of several sizes"
    for name in figures:
        expected = [by_definition(name, ranking) for ranking in ranked]
        np.testing.assert_allclose(found[name], expected, atol=1e-12, err_msg=name)


def test_agrees_with_trec_eval_where_items_are_left_out():
    """trec_eval never sees those items; its mAP, recall and precision curve are the same."""
    queries, gallery, truths, names = problem(11, queries=40)
    ranked = [*rankings(queries, gallery, truths, names)]
    run = {f"{q}": {f"{r}": float(-r) for r in range(len(own))} for q, own in enumerate(ranked)}
    truth = {f"{q}": {f"{r}": int(x) for r, x in enumerate(own)} for q, own in enumerate(ranked)}
    asked = {"map", "recall.5", "iprec_at_recall"}
    judged = pytrec_eval.RelevanceEvaluator(truth, asked).evaluate(run)
    figures = ("mAP", "Recall@5", CURVE)
    found = query_values(queries, gallery, ByItem(truths, names), names=figures)
    for ours, theirs in (("mAP", "map"), ("Recall@5", "recall_5")):
        expected = [judged[f"{q}"][theirs] for q in range(40)]
        np.testing.assert_allclose(found[ours], expected, atol=1e-6)
    for level in (0, 2, 5, 8, 10):  # trec_eval rounds recall .7 of three items down
        expected = [judged[f"{q}"][f"iprec_at_recall_{level / 10:.2f}"] for q in range(40)]
        np.testing.assert_allclose(found[CURVE][:, level], expected, atol=1e-6)


@pytest.mark.parametrize("block", [None, 1, 4])
def test_only_the_kept_queries_are_evaluated(block):
    """Those that are not kept may have nothing relevant; the others' values are as ever."""
    queries, gallery, truths, names = problem(3)
    figures = ("mAP", "Prec@5", CURVE)
    every = query_values(queries, gallery, ByItem(truths, names), names=figures)
    kept = np.ones(12, bool)
    kept[[0, 1, 2, 3, 7]] = False
    lost = [truth if keep else Truth({}) for truth, keep in zip(truths, kept, strict=True)]
    relevance = ByItem(lost, names)
    some = query_values(queries, gallery, relevance, names=figures, kept=kept, block=block)
    for name in figures:
        np.testing.assert_array_equal(some[name], every[name][kept])
    with pytest.raises(InputError, match="no relevant item"):
        query_values(queries, gallery, relevance, names=figures)


@pytest.mark.parametrize(
    "name",
    ["mAP", "mAP macro", "Top-1", "Prec@7 macro", "Prec@10 micro", "Recall@3", "Recall@3 macro"]
    + ["AP@200 hits", "AP@5 relevant macro", "R@10"]
    + ["mAP interpolated", "mAP@200 interpolated macro"],
)
def test_names_of_figures(name):
    """A mean over queries, or over groups, of any metric at any k."""
    assert is_figure(name)
    metric, macro = read_figure(name)
    assert name == summary_names(metric)[macro]


@pytest.mark.parametrize(
    "name",
    ["map", "Prec@0 macro", "Prec@k macro", "Prec@", "Prec@010 macro", "Prec@5x macro", "AP@5"]
    + ["mAP@0", "mAP micro", "Recall@3 micro", "Prec@5 ceiling", "precision at recall", "", "@5"]
    + ["Recall@٣", "Prec@5 macro macro", "AP@5 hits relevant", CURVE + " macro", FIRST]
    + ["median rank macro", "AP@200 interpolated", "mAP interpolated@5"],
)
def test_what_is_no_figure(name):
    """Settings that name one are refused, and the sentence says what there is."""
    assert not is_figure(name)
    with pytest.raises(ConfigError, match="is no figure; use mAP, Top-1, Prec@k"):
        read_figure(name)


def test_a_protocols_plain_precision_is_the_mean_over_queries():
    """Reports call it micro, so settings must, too; a protocol may leave that out."""
    assert read_figure("Prec@5") == ("Prec@5", False)
    assert not is_figure("Prec@5")


def test_an_unknown_metric_is_refused_before_ranking():
    """Nothing is computed for a name that nothing stands for; means are no metrics."""
    queries, gallery, truths, names = problem(0)
    for name in ("Prec@5 macro", "speed"):
        with pytest.raises(ConfigError, match=f"'{name}' is no figure"):
            query_values(queries, gallery, ByItem(truths, names), names=["mAP", name])
