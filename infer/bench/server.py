"""The Server scenario: queries arrive as they like, and the largest rate that can be borne."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from zscr.data.records import Query
from zscr.errors import ConfigError
from zscr.infer.bench.clock import Clock
from zscr.infer.bench.draws import arrivals, draw
from zscr.infer.bench.limit import Limit
from zscr.infer.bench.loops import OpenLoop, Served
from zscr.infer.bench.percentile import SHARES, needed, upper_bound
from zscr.infer.bench.run import Run
from zscr.infer.bench.subject import Subject
from zscr.infer.bench.times import WHOLE
from zscr.progress import say

SHARE = 0.7  # of the throughput of one query after another, where no rate and no bound is given
_LOWEST, _STEPS = 0.1, 5  # where the search for a rate begins, as a share of that; and its steps
_P99 = SHARES["p99"]


@dataclass(frozen=True)
class Load:
    """What is offered.

    Attributes:
        rate: queries a second; None searches for the largest that keeps the bound, or without one
            takes SHARE of the throughput.
        bound_ms: what p99 may be at most.
        workers: how many queries are answered at once.

    Raises:
        ConfigError: one of them is not above 0.
    """

    rate: float | None = None
    bound_ms: float | None = None
    workers: int = 1

    def __post_init__(self) -> None:
        for name, value in (("queries a second", self.rate), ("ms", self.bound_ms)):
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"{value:g} {name} cannot be served; give more than 0")

    def check(self, limit: Limit) -> None:
        """Refuse, before anything is measured, what this many queries cannot be.

        Raises:
            ConfigError: they are too few to prove a bound on p99, or too many for a schedule.
        """
        if self.rate is not None:
            limit.count_at(self.rate)
        fewest = needed(_P99)
        if self.bound_ms is not None and limit.queries is not None and limit.queries < fewest:
            raise ConfigError(
                f"{limit.queries} queries prove no bound on p99, which takes {fewest}; give "
                f"--queries {fewest} or leave out --p99"
            )


@dataclass
class Server:
    """Measures one subject under load.

    Attributes:
        subject: what answers; pool: the queries that are drawn from.
        limit: of each trial; load: what is offered; seed: of the schedule and the draws.
        keep: takes what was measured, also after a Ctrl-C.
    """

    subject: Subject
    pool: Sequence[Query]
    limit: Limit
    load: Load
    seed: int
    clock: Clock
    keep: Callable[[Run], None]

    def run(self, single: Sequence[float]) -> bool:
        """Measure; say whether the bound was kept, where there is one.

        Args:
            single: milliseconds of queries that were answered one after another, from which a rate
                follows; of no matter where one is given.
        """
        if self.load.rate is not None:
            return self._offer(self.load.rate)
        throughput = 1e3 * len(single) / sum(single)
        if self.load.bound_ms is None:
            return self._offer(SHARE * throughput)
        alone = upper_bound(single, _P99)
        if alone is not None and alone > self.load.bound_ms:
            say(
                f"server: no rate keeps p99 within {self.load.bound_ms:g} ms: of queries that wait "
                f"for no other it is {alone:.3g} ms; give a larger --p99"
            )
            return False
        return self._search(self.load.workers * throughput)

    def _offer(self, rate: float) -> bool:
        run = self._trial(rate)
        self.keep(run)
        return run.facts["held"] is not False

    def _search(self, throughput: float) -> bool:
        """Halve the rates between the lowest and the throughput; keep the best that held."""
        low, high, best, tried = _LOWEST * throughput, throughput, None, []
        for _ in range(_STEPS):
            rate = (low + high) / 2
            run = self._trial(rate)
            held = bool(run.facts["held"])
            tried.append({"rate": rate, "p99_ms": run.percentiles["p99"]["ms"], "held": held})
            low, high = (rate, high) if held else (low, rate)
            best = run if held else best
            last = run
        chosen = best or last
        self.keep(replace(chosen, facts={**chosen.facts, "tried": tried}))
        if best is None:
            say(
                f"server: no rate that was tried, down to {last.facts['rate']:.3g} queries/s, "
                f"keeps p99 within {self.load.bound_ms:g} ms; give a larger --p99"
            )
        return best is not None

    def _trial(self, rate: float) -> Run:
        count = self.limit.count_at(rate)
        if self.load.bound_ms is not None and self.limit.queries is None:
            count = max(count, needed(_P99))
        say(f"server: {count} queries at {rate:.3g} a second to {self.subject.name}")
        schedule = arrivals(rate, count, self.seed)
        loop = OpenLoop(self.subject.answer, self.clock, self.load.workers)
        try:
            loop.serve(schedule, draw(self.pool, self.seed))
        except KeyboardInterrupt:
            if loop.served.latency.wall:
                self.keep(self._run(loop.served, rate))
            raise
        return self._run(loop.served, rate)

    def _run(self, served: Served, rate: float) -> Run:
        bound, held = self.load.bound_ms, None
        if bound is not None:
            proved = upper_bound(served.latency.wall, _P99, served.unserved)
            held = proved is not None and proved <= bound
        facts = {"rate": rate, "workers": self.load.workers, "bound_ms": bound, "held": held}
        times = {WHOLE: served.latency, "waiting": served.waiting, "service": served.service}
        answered = len(served.latency.wall)
        spent = served.seconds, served.cpu_seconds
        return Run("server", self.subject.name, times, answered, *spent, served.unserved, facts)
