"""Plain and generalised figures of one model, and their mean over runs."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.infer.evaluation.embedded import Judged
from zscr.infer.evaluation.generalised import evaluate, mean_evaluation

HARDER = ("Prec@", "Recall@", "AP@50 relevant", "mAP", "Top-1")  # AP@50 hits forgives what is lost


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def split_of(rng, names, dim=6):
    """One to three queries and one to five images a class, all anywhere."""
    asked = [n for n in names for _ in range(rng.integers(1, 4))]
    found = [n for n in names for _ in range(rng.integers(1, 6))]
    rows = (unit(rng.standard_normal((len(side), dim))) for side in (asked, found))
    return Judged(*rows, asked, found, tuple(f"{n}/{i}" for i, n in enumerate(found)))


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_more_wrong_images_never_help(seed):
    """Every figure of the unseen classes' queries falls or stays with the seen images added."""
    rng = np.random.default_rng(seed)
    found = evaluate(split_of(rng, "abcd"), split_of(rng, "xyz"))
    plain, harder = found.plain, found.generalised.unseen
    for name in plain.metrics:
        if name.startswith(HARDER) and not name.endswith("ceiling"):
            assert harder.metrics[name] <= plain.metrics[name] + 1e-12, name
    assert all(a <= b + 1e-12 for a, b in zip(harder.curve, plain.curve, strict=True))
    assert (harder.queries, harder.classes) == (plain.queries, 4)
    assert harder.chance < plain.chance


def test_by_hand():
    """The unseen query finds the seen image first; the seen query is right at once."""
    right, up = [1.0, 0.0], [0.0, 1.0]
    rows = np.array([right, up], np.float32)
    unseen = Judged(rows[:1], np.array([[0.8, 0.6]], np.float32), ["a"], ["a"], ("a0",))
    seen = Judged(rows[1:], np.array([[0.96, 0.28]], np.float32), ["x"], ["x"], ("x0",))
    found = evaluate(unseen, seen)
    assert found.plain.metrics["mAP"] == 1
    assert found.generalised.unseen.metrics["mAP"] == 1 / 2
    assert found.generalised.seen.metrics["mAP"] == 1 / 2  # (.8, .6) is nearer to `up`
    assert found.generalised.harmonic["mAP"] == 1 / 2
    assert found.generalised.harmonic["Top-1"] == 0
    assert found.generalised.unseen.gallery == found.generalised.seen.gallery == 2


def test_mean_over_runs():
    """Means and standard deviations of each figure; intervals come from the classes' means."""
    rng = np.random.default_rng(5)
    splits = [split_of(rng, "abcd"), split_of(rng, "xyz")]
    runs = []
    for _ in range(3):
        moved = [
            Judged(unit(s.queries + rng.standard_normal(s.queries.shape) / 2), *_rest(s))
            for s in splits
        ]
        runs.append(evaluate(*moved))
    mean = mean_evaluation(runs)
    values = [run.plain.metrics["mAP macro"] for run in runs]
    assert len(set(values)) == 3
    assert mean.plain.metrics["mAP macro"] == pytest.approx(np.mean(values))
    assert mean.plain.sd["mAP macro"] == pytest.approx(np.std(values, ddof=1))
    classes = [row.metrics["mAP"] for row in mean.plain.per_class]
    assert np.mean(classes) == pytest.approx(np.mean(values))
    low, high = mean.plain.intervals["mAP macro"]
    assert low < np.mean(values) < high
    harmonic = [run.generalised.harmonic["mAP"] for run in runs]
    assert mean.generalised.harmonic["mAP"] == pytest.approx(np.mean(harmonic))
    assert mean.generalised.sd["mAP"] == pytest.approx(np.std(harmonic, ddof=1))
    assert mean.plain.curve == pytest.approx(np.mean([run.plain.curve for run in runs], axis=0))
    json.dumps(mean.to_json(), allow_nan=False)


def _rest(judged):
    return judged.gallery, judged.query_classes, judged.gallery_classes, judged.gallery_ids


def test_one_run_is_itself():
    """Without a standard deviation, which one value does not have."""
    found = evaluate(split_of(np.random.default_rng(0), "ab"))
    assert mean_evaluation([found]) is found
    assert not {"sd", "generalised"} & set(found.to_json())
