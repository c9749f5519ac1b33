"""The Pareto-best models: no other is at least as good in all that counts and better in one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zscr.infer.models.comparison import compared, pareto_best
from zscr.infer.models.listed import Listed, Metric, recorded
from zscr.infer.models.measured import Measured, Recall, Speed

COSTS = arrays(np.int8, st.tuples(st.integers(1, 8), st.just(3)), elements=st.integers(0, 3))


def measured(image: float, text: float | None, recall: float, **other: str) -> Measured:
    about = {"when": "2026-11-26T12:00:00", "machine": "a machine", "sha256": "0" * 64} | other
    found = Recall("c", about.pop("sha256"), "unseen", 10, 5, 0.0, 0.0, recall)
    speeds = (Speed(2, image, text), Speed(1, 2 * image, text))
    return Measured(**about, ran="onnxruntime", images="drawn", speeds=speeds, recall=found)


def marks(*given: Measured | None) -> list[bool | None]:
    rows = [Listed(str(n), "installed", measured=one) for n, one in enumerate(given)]
    return [row.best for row in compared(rows)]


def selected(value: float, ms: float, mib: float, **other: Any) -> Listed:
    """Return a bundle whose recall was not measured, with what its export recorded."""
    about = {"name": "mAP", "sha256": "0" * 64, "takes": ("image", "text")} | other
    metric = Metric(about.pop("name"), value, "birds", about.pop("sha256"))
    speed = replace(measured(ms, ms, 0.0), recall=None)
    return Listed("x", "bundle", mib=mib, metric=metric, measured=speed, **about)


def test_known_models_are_marked() -> None:
    """Fast and poor, slow and good, in between, its equal, and one that is worse in one alone."""
    costs = [(1, 1, 0.9), (9, 9, 0.1), (5, 5, 0.5), (5, 5, 0.5), (5, 6, 0.5)]
    assert pareto_best(costs) == [True, True, True, True, False]


@given(COSTS)
def test_what_is_marked_is_not_beaten_and_beats_the_rest(costs: np.ndarray) -> None:
    """By the definition, row by row; one at least is marked."""

    def beats(one: np.ndarray, other: np.ndarray) -> bool:
        return bool(np.all(one <= other) and np.any(one < other))

    best = pareto_best(costs)
    assert any(best)
    for row, marked in zip(costs, best, strict=True):
        assert marked is not any(beats(other, row) for other in costs)


@given(COSTS, st.randoms(use_true_random=False))
def test_the_order_of_the_models_has_no_say(costs: np.ndarray, random: np.random.Generator) -> None:
    order = list(range(len(costs)))
    random.shuffle(order)
    best = pareto_best(costs)
    assert pareto_best(costs[order]) == [best[place] for place in order]


def test_recall_is_better_when_it_is_higher() -> None:
    """The same speed: the higher R@10 alone is marked; fewer milliseconds make up for it."""
    assert marks(measured(5, 1, 0.4), measured(5, 1, 0.6)) == [False, True]
    assert marks(measured(4, 1, 0.4), measured(5, 1, 0.6)) == [True, True]


def test_only_what_was_measured_alike_is_compared() -> None:
    """Of another machine or collection, or never measured: no mark, nor for what is left alone."""
    alike = measured(5, 1, 0.4), measured(6, 1, 0.3)
    others = [
        measured(1, 1, 0.9, machine="another"),
        measured(1, 1, 0.9, sha256="1" * 64),
        replace(measured(1, 1, 0.9), recall=None),
        None,
    ]
    assert marks(*others, *alike) == [None] * 4 + [True, False]
    assert marks(*others, alike[0]) == [None] * 5


def test_without_a_recall_the_exports_figure_counts_and_so_does_the_size() -> None:
    """Smaller at the same speed and figure is better; another figure or other queries: no mark."""
    rows = [
        selected(0.9, 5, 90),
        selected(0.9, 5, 20),
        selected(0.99, 5, 90),
        selected(0.99, 1, 1, name="Recall@10"),
        selected(0.99, 1, 1, sha256="1" * 64),
        selected(0.99, 1, 1, takes=("image",)),
    ]
    assert [row.best for row in compared(rows)] == [False, True, True, None, None, None]


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({}, Metric("mAP", 0.25, "birds", "a" * 64)),
        ({"config": {"select_by": "loss/nce"}}, None),
        ({"validation": {}}, None),
        ({"sources": {"collection": None}}, None),
        ({"sources": "damaged"}, None),
    ],
)
def test_the_exports_figure_is_the_one_that_selected(changed: Any, found: Metric | None) -> None:
    """With its collection; a loss, or what was judged on nothing, is no figure."""
    provenance = {
        "config": {"select_by": "mAP"},
        "validation": {"Prec@1": 0.5, "mAP": 0.25},
        "sources": {"collection": {"name": "birds", "sha256": "a" * 64}},
    }
    assert recorded(provenance | changed) == found
