"""The scenarios without a schedule: SingleStream and Offline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from zscr.data.records import Query
from zscr.infer.bench.clock import Clock
from zscr.infer.bench.draws import draw, draw_batches
from zscr.infer.bench.limit import Limit
from zscr.infer.bench.loops import in_turns
from zscr.infer.bench.run import Run
from zscr.infer.bench.subject import Subject
from zscr.infer.bench.times import WHOLE, Stopwatch, Times
from zscr.infer.searcher import BATCH

Keep = Callable[[Run], None]


def run_single(
    subjects: Sequence[Subject],
    pool: Sequence[Query],
    limit: Limit,
    *,
    seed: int,
    clock: Clock,
    keep: Keep,
) -> None:
    """Ask one query after another; subjects take turns, and so do the whole and its stages.

    The whole is timed by what users call, and again in stages, unless a query of the pool has none:
    their sum stands beside the whole.
    """
    watches = [Stopwatch(clock) for _ in subjects]
    calls: list[Callable[[Query], object]] = []
    for subject, watch in zip(subjects, watches, strict=True):
        calls.append(watch.timing(subject.answer))
        if all(map(subject.has_stages, pool)):
            calls.append(partial(subject.answer_in_stages, watch=watch))
    try:
        in_turns(calls, limit.within(draw(pool, seed), clock))
    finally:
        _keep_all("single", subjects, watches, keep, 1, {})


def run_offline(
    subjects: Sequence[Subject],
    pool: Sequence[Query],
    limit: Limit,
    *,
    seed: int,
    clock: Clock,
    keep: Keep,
) -> None:
    """Answer queries that are all there from the beginning, in batches; subjects take turns."""
    size = min(BATCH, limit.queries or BATCH)
    watches = [Stopwatch(clock) for _ in subjects]
    calls = [w.timing(s.answer_all) for s, w in zip(subjects, watches, strict=True)]
    try:
        in_turns(calls, limit.within(draw_batches(pool, seed, size), clock, size))
    finally:
        _keep_all("offline", subjects, watches, keep, size, {"batch": size})


def _keep_all(
    scenario: str,
    subjects: Sequence[Subject],
    watches: Sequence[Stopwatch],
    keep: Keep,
    size: int,
    facts: Mapping[str, Any],
) -> None:
    """Keep what was timed of all subjects: after a Ctrl-C, the turns that were finished."""
    turns = min(
        min((len(one.wall) for one in w.times.values()), default=0) if WHOLE in w.times else 0
        for w in watches
    )
    if not turns:
        return
    for subject, watch in zip(subjects, watches, strict=True):
        times = {n: Times(t.wall[:turns], t.cpu[:turns]) for n, t in watch.times.items()}
        seconds, cpu = (sum(values) / 1e3 for values in (times[WHOLE].wall, times[WHOLE].cpu))
        keep(Run(scenario, subject.name, times, turns * size, seconds, cpu, facts=facts))
