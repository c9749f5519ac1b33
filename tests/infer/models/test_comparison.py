"""The Pareto-best models: no other is at least as good in all that counts and better in one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from zscr.infer.models.comparison import compared, pareto_best
from zscr.infer.models.listed import Listed
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
    """Of another machine or collection, without texts or a recall, or never measured: no mark."""
    newest = measured(5, 1, 0.4, when="2026-11-27T12:00:00")
    others = [
        measured(1, 1, 0.9, machine="another"),
        measured(1, 1, 0.9, sha256="1" * 64),
        measured(1, None, 0.9),
        replace(measured(1, 1, 0.9), recall=None),
        None,
    ]
    assert marks(*others, newest) == [None] * 5 + [True]
    assert marks(*others[2:]) == [None] * 3
