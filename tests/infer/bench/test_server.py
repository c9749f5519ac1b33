"""The largest rate that keeps a bound is found, on a model whose times are set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from zscr.errors import ConfigError
from zscr.infer.bench.draws import arrivals
from zscr.infer.bench.limit import Limit
from zscr.infer.bench.run import Run
from zscr.infer.bench.server import SHARE, Load, Server

SERVICE = 0.010  # seconds of every query: 100 a second


@dataclass
class Steady:
    """Answers every query in the same time."""

    clock: Any
    name: str = "steady"
    asked: int = 0

    def answer(self, _query: object) -> None:
        self.asked += 1
        self.clock.work(SERVICE)


@dataclass
class Measured:
    """A server under a load, and what it kept."""

    clock: Any
    load: Load
    limit: Limit = field(default_factory=lambda: Limit(2000))
    kept: list[Run] = field(default_factory=list)

    def run(self) -> bool:
        steady = Steady(self.clock)
        keep = self.kept.append
        server = Server(steady, ["q"], self.limit, self.load, 7, self.clock, keep)
        return server.run([] if self.load.rate else [1e3 * SERVICE] * 1000)


def queue(rate: float, count: int) -> np.ndarray:
    """Return the latencies of a queue with one server, by Lindley's recursion of the waits."""
    schedule = arrivals(rate, count, 7)
    waits = [0.0]
    for gap in np.diff(schedule):
        waits.append(max(0.0, waits[-1] + SERVICE - gap))
    return 1e3 * (np.array(waits) + SERVICE)


def test_latencies_are_a_queues(clock) -> None:
    """Query by query those of Lindley's recursion, which knows neither clock nor loop."""
    measured = Measured(clock, Load(rate=80.0))
    assert measured.run()
    [run] = measured.kept
    assert run.whole.wall == pytest.approx(queue(80.0, 2000), abs=2e-4)
    assert run.facts["rate"] == 80.0
    assert run.facts["held"] is None


def test_without_a_rate_it_is_a_share_of_the_throughput(clock) -> None:
    """Of 100 a second."""
    measured = Measured(clock, Load())
    measured.run()
    assert measured.kept[0].facts["rate"] == pytest.approx(100 * SHARE)


def test_the_largest_rate_that_holds_is_kept(clock) -> None:
    """Of five halvings between 10 and 100 a second; the next one up does not hold."""
    measured = Measured(clock, Load(bound_ms=40.0))
    assert measured.run()
    [run] = measured.kept
    tried = {one["rate"]: one["held"] for one in run.facts["tried"]}
    assert len(tried) == 5
    best = max(rate for rate, held in tried.items() if held)
    above = min(rate for rate, held in tried.items() if not held)
    assert run.facts["rate"] == best < above
    assert above - best == pytest.approx(90 / 2**5)
    over = {rate: int((queue(rate, 2000) > 40.0).sum()) for rate in (best, above)}
    assert over[best] <= 9 < over[above]  # of 2,000 as many may be, by scipy.stats.binom


def test_a_bound_below_the_service_time_is_refused_at_once(clock, capsys) -> None:
    """No trial is run, and the sentence has both times."""
    measured = Measured(clock, Load(bound_ms=9.0))
    assert not measured.run()
    assert measured.kept == []
    assert (
        "no rate keeps p99 within 9 ms: of queries that wait for no other"
        in capsys.readouterr().err
    )


def test_a_rate_that_does_not_hold_is_kept_and_told(clock) -> None:
    """More than it can serve: what waits at the end counts as the slowest."""
    measured = Measured(clock, Load(rate=400.0, bound_ms=40.0))
    assert not measured.run()
    [run] = measured.kept
    assert run.facts["held"] is False
    assert run.unserved > 500
    assert run.percentiles["p99"]["ms"] is None


def test_a_bound_takes_enough_queries(clock) -> None:
    """Fewer than 459 are refused; by time alone there are as many in every trial."""
    with pytest.raises(ConfigError, match="20 queries prove no bound on p99, which takes 459"):
        Load(bound_ms=40.0).check(Limit(20))
    measured = Measured(clock, Load(bound_ms=40.0), Limit(seconds=0.1))
    assert measured.run()
    assert measured.kept[0].queries == 459
