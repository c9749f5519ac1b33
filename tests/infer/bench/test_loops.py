"""The load generators do what a clock set by hand lets one reckon."""

from __future__ import annotations

import threading
from collections import Counter

import numpy as np
import pytest

from zscr.infer.bench.clock import SystemClock
from zscr.infer.bench.draws import arrivals, draw
from zscr.infer.bench.limit import Limit
from zscr.infer.bench.loops import OpenLoop, in_turns
from zscr.infer.bench.times import Stopwatch


def test_a_stall_delays_all_behind_it(clock) -> None:
    """Latency counts from the schedule: of five queries, a second apart, the first takes 2.5 s.

    Then each takes 0.25 s, so the second, due at 1, begins at 2.5, the third at 2.75, and the
    fourth, due at 3, is on time again. Who counted from the sending would see one slow query.
    """
    loop = OpenLoop(clock.work, clock)
    served = loop.serve([0.0, 1.0, 2.0, 3.0, 4.0], [2.5, 0.25, 0.25, 0.25, 0.25])
    assert served.latency.wall == pytest.approx([2500, 1750, 1000, 250, 250])
    assert served.waiting.wall == pytest.approx([0, 1500, 750, 0, 0])
    assert served.service.wall == pytest.approx([2500, 250, 250, 250, 250])
    assert served.seconds == pytest.approx(4.25)
    assert served.cpu_seconds == pytest.approx(3.5 / 2)
    assert (served.due, served.unserved) == (5, 0)


def test_a_load_that_cannot_be_borne_is_given_up(clock) -> None:
    """Ten queries in ten seconds, of 4 s each: at 20 s the fifth runs, and none begins later."""
    served = OpenLoop(clock.work, clock).serve([float(n) for n in range(1, 11)], [4.0] * 10)
    assert served.latency.wall == pytest.approx([4e3, 7e3, 10e3, 13e3, 16e3])
    assert (served.due, served.unserved) == (10, 5)


def test_a_ctrl_c_keeps_what_was_served(clock) -> None:
    """The third call ends it: two latencies are kept, and the third query was due and is lost."""

    def call(seconds: float) -> None:
        if not seconds:
            raise KeyboardInterrupt
        clock.work(seconds)

    loop = OpenLoop(call, clock)
    with pytest.raises(KeyboardInterrupt):
        loop.serve([1.0, 2.0, 3.0, 4.0], [0.5, 0.5, 0.0, 0.5])
    assert loop.served.latency.wall == pytest.approx([500, 500])
    assert (loop.served.due, loop.served.unserved) == (3, 1)


def test_two_workers_answer_two_queries_at_once() -> None:
    """Each of two queries waits in its call until the other is there, too; one could never."""
    both = threading.Barrier(2, timeout=30)
    loop = OpenLoop(lambda _: both.wait(), SystemClock(), workers=2)
    served = loop.serve([0.0, 0.0, 0.0, 0.0], range(4))
    assert len(served.latency.wall) == 4


def test_an_error_in_a_worker_ends_them_all() -> None:
    """It is raised, and the others do not wait for an arrival that is hours away."""

    def call(item: int) -> None:
        raise ValueError(item)

    with pytest.raises(ValueError, match="0"):
        OpenLoop(call, SystemClock(), workers=3).serve([0.0, 9e3, 9e3], range(3))


def test_whatever_is_compared_takes_turns() -> None:
    """All calls get the same items, and each follows each of the others as often."""
    made: list[tuple[str, int]] = []
    calls = [lambda item, name=name: made.append((name, item)) for name in "abc"]
    in_turns(calls, range(600))
    assert [item for _, item in made] == [item for item in range(600) for _ in "abc"]
    orders = Counter("".join(name for name, _ in made[at : at + 3]) for at in range(0, 1800, 3))
    assert len(orders) == 6
    assert all(60 < count < 140 for count in orders.values())


def test_a_stopwatch_splits_what_passes(clock) -> None:
    """Laps follow each other without a gap, by the clock and by what was computed."""
    watch = Stopwatch(clock)
    watch.start()
    clock.work(0.5)
    watch.lap("first")
    clock.sleep(0.25)
    watch.lap("second")
    assert (watch.times["first"].wall, watch.times["first"].cpu) == ([500], [250])
    assert (watch.times["second"].wall, watch.times["second"].cpu) == ([250], [0])


def test_a_limit_ends_by_what_comes_first(clock) -> None:
    """By its number, by its seconds; and one item is handed out however late it is."""

    def count(limit: Limit, size: int = 1) -> int:
        taken = 0
        for _ in limit.within(iter(int, 1), clock, size):
            taken += 1
            clock.work(1.0)
        return taken

    assert count(Limit(queries=4)) == 4
    assert count(Limit(queries=10), size=4) == 3
    assert count(Limit(seconds=2.5)) == 3
    assert count(Limit(queries=2, seconds=9.0)) == 2
    assert count(Limit(seconds=1e-9)) == 1
    assert (Limit(seconds=2.0).count_at(30.0), Limit(7, 2.0).count_at(30.0)) == (60, 7)


def test_arrivals_are_poisson() -> None:
    """Gaps are exponential (mean and deviation 1 / rate); a seed's schedules differ by scale."""
    gaps = np.diff([0.0, *arrivals(50.0, 20_000, 7)])
    assert gaps.mean() == pytest.approx(0.02, rel=0.03)
    assert gaps.std() == pytest.approx(0.02, rel=0.03)
    assert (gaps > 0.02).mean() == pytest.approx(np.exp(-1), abs=0.015)
    assert np.allclose(np.multiply(2, arrivals(50.0, 99, 7)), arrivals(25.0, 99, 7))
    assert arrivals(50.0, 99, 7) != arrivals(50.0, 99, 8)


def test_draws_are_of_the_whole_pool() -> None:
    """With replacement, evenly, the same of one seed."""
    drawn = [item for item, _ in zip(draw("abcd", 7), range(8000), strict=False)]
    assert all(abs(drawn.count(item) - 2000) < 200 for item in "abcd")
    assert drawn == [item for item, _ in zip(draw("abcd", 7), range(8000), strict=False)]
