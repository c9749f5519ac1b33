"""Plain and generalised figures of one model, and their mean over runs."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.infer.evaluation.generalised import evaluate, mean_evaluation

HARDER = ("Prec@", "Recall@", "AP@50 relevant", "mAP", "Top-1")  # AP@50 hits forgives what is lost


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def some(embedded_of, rng, names, dim=6):
    """One to three queries and one to five images a class, all anywhere."""
    asked = [n for n in names for _ in range(rng.integers(1, 4))]
    found = [n for n in names for _ in range(rng.integers(1, 6))]
    rows = (unit(rng.standard_normal((len(side), dim))) for side in (asked, found))
    return embedded_of(*rows, asked, found)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_more_wrong_images_never_help(embedded_of, seed):
    """Every figure of the unseen classes' queries falls or stays with the seen images added."""
    rng = np.random.default_rng(seed)
    found = evaluate(some(embedded_of, rng, "abcd"), some(embedded_of, rng, "xyz"))
    plain, harder = found.plain, found.generalised.unseen
    for name in plain.metrics:
        if name.startswith(HARDER) and not name.endswith("ceiling"):
            assert harder.metrics[name] <= plain.metrics[name] + 1e-12, name
    assert all(a <= b + 1e-12 for a, b in zip(harder.curve, plain.curve, strict=True))
    assert (harder.queries, harder.groups) == (plain.queries, 4)
    assert harder.chance < plain.chance


def test_by_hand(embedded_of):
    """The unseen query finds the seen image first; the seen query is right at once."""
    right, up = [1.0, 0.0], [0.0, 1.0]
    rows = np.array([right, up], np.float32)
    unseen = embedded_of(rows[:1], [[0.8, 0.6]], "a", "a")
    seen = embedded_of(rows[1:], [[0.96, 0.28]], "x", "x")
    found = evaluate(unseen, seen)
    assert found.plain.metrics["mAP"] == 1
    assert found.generalised.unseen.metrics["mAP"] == 1 / 2
    assert found.generalised.seen.metrics["mAP"] == 1 / 2  # (.8, .6) is nearer to `up`
    assert found.generalised.harmonic["mAP"] == 1 / 2
    assert found.generalised.harmonic["Top-1"] == 0
    assert found.generalised.unseen.gallery == found.generalised.seen.gallery == 2


def test_mean_over_runs(embedded_of):
    """Means and standard deviations of each figure; intervals come from the groups' means."""
    rng = np.random.default_rng(5)
    splits = [some(embedded_of, rng, "abcd"), some(embedded_of, rng, "xyz")]
    runs = []
    for _ in range(3):
        moved = [
            replace(s, queries=unit(s.queries + rng.standard_normal(s.queries.shape) / 2))
            for s in splits
        ]
        runs.append(evaluate(*moved))
    mean = mean_evaluation(runs)
    values = [run.plain.metrics["mAP macro"] for run in runs]
    assert len(set(values)) == 3
    assert mean.plain.metrics["mAP macro"] == pytest.approx(np.mean(values))
    assert mean.plain.sd["mAP macro"] == pytest.approx(np.std(values, ddof=1))
    groups = [row.metrics["mAP"] for row in mean.plain.per_group]
    assert np.mean(groups) == pytest.approx(np.mean(values))
    low, high = mean.plain.intervals["mAP macro"]
    assert low < np.mean(values) < high
    harmonic = [run.generalised.harmonic["mAP"] for run in runs]
    assert mean.generalised.harmonic["mAP"] == pytest.approx(np.mean(harmonic))
    assert mean.generalised.sd["mAP"] == pytest.approx(np.std(harmonic, ddof=1))
    assert mean.plain.curve == pytest.approx(np.mean([run.plain.curve for run in runs], axis=0))
    json.dumps(mean.to_json(), allow_nan=False)


def test_one_run_is_itself(embedded_of):
    """Without a standard deviation, which one value does not have."""
    found = evaluate(some(embedded_of, np.random.default_rng(0), "ab"))
    assert mean_evaluation([found]) is found
    assert not {"sd", "generalised"} & set(found.to_json())


def test_the_harmonic_mean_is_of_each_figure(embedded_of):
    """Of both kinds of queries over the same gallery; a ceiling is no figure to average."""
    rng = np.random.default_rng(3)
    found = evaluate(some(embedded_of, rng, "abcd"), some(embedded_of, rng, "xyz")).generalised
    unseen, seen = found.unseen.metrics, found.seen.metrics
    assert set(found.harmonic) == {name for name in unseen if not name.endswith("ceiling")}
    for name in ("mAP", "Prec@10 macro", "Recall@10"):
        one, two = unseen[name], seen[name]
        assert 1 / found.harmonic[name] == pytest.approx((1 / one + 1 / two) / 2)
