"""Ratios of two measurements, and what they are said to show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.errors import MismatchError
from zscr.infer.bench.compare import compare, differences, faults
from zscr.infer.bench.limit import Limit
from zscr.infer.bench.ratio import FEWEST, ratio_of
from zscr.infer.bench.result import Result
from zscr.infer.bench.run import Run
from zscr.infer.bench.settings import Settings
from zscr.infer.bench.times import WHOLE, Times


def noisy(count: int, seed: int) -> np.ndarray:
    """Return latencies around 10 ms that drift, as on a machine that does other work at times."""
    rng = np.random.default_rng(seed)
    drift, noise = 0.0, []
    for shock in rng.normal(0, 0.02, count):
        drift = 0.9 * drift + shock
        noise.append(drift + rng.exponential(0.05))
    return 10 * np.exp(noise)


@settings(max_examples=20)
@given(st.lists(st.floats(0.01, 1e4), min_size=1, max_size=200), st.booleans(), st.integers(0, 99))
def test_of_equal_series_the_interval_holds_1(
    values: list[float], together: bool, seed: int
) -> None:
    """Whatever the values, and however they are resampled."""
    found = ratio_of(values, values, together=together, seed=seed)
    assert found.low <= found.value == 1 <= found.high
    assert found.verdict not in ("faster", "slower")


def test_series_without_a_difference_are_rarely_called_different() -> None:
    """Of 30 pairs whose noise drifts; with blocks of one query each it is every second pair."""
    verdicts = [
        ratio_of(noisy(400, 2 * n), noisy(400, 2 * n + 1), together=False).verdict
        for n in range(30)
    ]
    assert sum(verdict != "no difference shown" for verdict in verdicts) <= 6


@pytest.mark.parametrize(("factor", "said"), [(0.8, "faster"), (1.25, "slower")])
def test_a_difference_is_found(factor: float, said: str) -> None:
    """A quarter more, or a fifth less: the ratio is in the interval, and the word is right."""
    found = ratio_of(noisy(900, 1), factor * noisy(900, 2), together=False)
    assert found.low <= factor <= found.high
    assert found.verdict == said


def test_turns_that_share_their_noise_show_smaller_differences() -> None:
    """Two per cent more in every turn: shown where both are resampled together, not else."""
    first = 10 * np.exp(np.random.default_rng(7).normal(0, 0.3, 400))
    apart = ratio_of(first, 1.02 * first, together=False)
    beside = ratio_of(first, 1.02 * first, together=True)
    assert apart.verdict == "no difference shown"
    assert beside.verdict == "slower"
    assert (beside.low, beside.high) == pytest.approx((1.02, 1.02), abs=1e-6)


def test_few_values_show_nothing() -> None:
    """However far they are apart."""
    found = ratio_of([1.0] * (FEWEST - 1), [9.0] * FEWEST, together=False)
    assert found.verdict == "not known: 48 values, of 49 that it takes"


def run_of(scenario: str, seed: int = 1, **facts: Any) -> Run:
    times = {WHOLE: Times([*noisy(100, seed)]), "service": Times([*noisy(100, seed)])}
    return Run(scenario, "birds", times, 100, 1.0, 0.5, facts=facts)


def result(*runs: Run, **changed: Any) -> Result:
    machine = {"cpu": "a", "cores": 2, "packages": {}}
    queries = {"source": "captions.txt", "sha256": "0" * 64}
    whole = Result("now", machine, Settings(), queries, [{"name": "birds", "images": 40}])
    return replace(whole, runs=[*runs], **changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"machine": {"cpu": "b", "cores": 2, "packages": {}}}, "the machine's cpu (a and b)"),
        ({"machine": {"cpu": "a", "cores": 4, "packages": {}}}, "the machine's cores (2 and 4)"),
        ({"settings": Settings(threads=2)}, "threads (1 and 2)"),
        ({"settings": Settings(k=50)}, "k (10 and 50)"),
        ({"queries": {"source": "b.txt", "sha256": "1" * 64}}, "queries (captions.txt and b.txt)"),
        ({"subjects": [{"name": "birds", "images": 41}]}, "images of the index (40 and 41)"),
    ],
)
def test_other_machines_settings_and_queries_are_refused(changed: Any, said: str) -> None:
    """With what differs; --anyway compares them."""
    a, b = result(run_of("single")), result(run_of("single"), **changed)
    assert faults(a, b) == [said]
    with pytest.raises(MismatchError, match="A and B differ in") as told:
        compare(a, b)
    assert said in str(told.value)
    assert len(compare(a, b, anyway=True)) == 2


def test_lengths_need_not_be_alike() -> None:
    """A longer measurement of the same is comparable."""
    longer = Settings(limit=Limit(99), parts=("single",))
    assert faults(result(run_of("single")), result(run_of("single"), settings=longer)) == []


def test_other_loads_are_not_compared() -> None:
    """Latency at another rate is another question; a rate within one per cent is the same."""
    single, a = run_of("single"), run_of("server", rate=100.0)
    near, far = run_of("server", rate=100.5), run_of("server", rate=110.0)
    assert {one.scenario for one in differences([single, a], [single, near], together=False)} == {
        "single",
        "server",
    }
    found = [*differences([single, a], [single, far], together=False)]
    assert {one.scenario for one in found} == {"single"}
    with pytest.raises(MismatchError, match="no scenario of the same load"):
        compare(result(a), result(far))
