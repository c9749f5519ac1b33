"""Measuring bundles beside each other: every scenario in turn, each kept as soon as it is over."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from zscr.data.records import Query
from zscr.infer.bench.asked import Pool
from zscr.infer.bench.clock import Clock, SystemClock
from zscr.infer.bench.closed import run_offline, run_single
from zscr.infer.bench.limit import Limit
from zscr.infer.bench.percentile import SHARES, needed
from zscr.infer.bench.result import Result
from zscr.infer.bench.run import Run
from zscr.infer.bench.server import Server
from zscr.infer.bench.settings import INDEX, Settings
from zscr.infer.bench.subject import Subject
from zscr.infer.bench.sweep import run_sweep
from zscr.infer.encoder import Rows
from zscr.infer.reading import encode_readable
from zscr.machine import describe
from zscr.progress import say

_PROBE = 64  # queries that tell the throughput, where no other scenario does


class Bench:
    """A measurement in progress: `result` holds what is known so far, also after a Ctrl-C.

    Attributes:
        subjects: what answers, one or two; their names differ.
        pool: what is asked; settings: how.
        bounds_held: whether every bound on latency was.
    """

    def __init__(
        self,
        subjects: Sequence[Subject],
        pool: Pool,
        settings: Settings,
        clock: Clock | None = None,
    ) -> None:
        settings.load.check(settings.limit)
        self.subjects, self.pool, self.settings = subjects, pool, settings
        self.clock = clock or SystemClock()
        self.bounds_held = True
        when = datetime.now(UTC).isoformat(timespec="seconds")
        ran = [subject.answer(pool.queries[0]).ran for subject in subjects]
        told = [s.about() | {"ran": words} for s, words in zip(subjects, ran, strict=True)]
        self.result = Result(when, describe(), settings, pool.about(), told)

    def run(self) -> Result:
        """Measure all that was asked for; a Ctrl-C ends it, and is told by the result."""
        parts = {
            "single": self._single,
            "server": self._server,
            "offline": self._offline,
            INDEX: self._index,
        }
        before = os.getloadavg()[0]
        try:
            for name in self.settings.parts:
                parts[name]()
        except KeyboardInterrupt:
            self.result.interrupted = True
        self.result.load_average = [round(load, 2) for load in (before, os.getloadavg()[0])]
        return self.result

    def _single(self) -> None:
        say("single: one query after another")
        self._closed(run_single)

    def _offline(self) -> None:
        say("offline: all queries at once")
        self._closed(run_offline)

    def _closed(self, run: Callable[..., None]) -> None:
        run(
            self.subjects,
            self.pool.queries,
            self.settings.limit,
            seed=self.settings.seed,
            clock=self.clock,
            keep=self.result.runs.append,
        )

    def _server(self) -> None:
        for subject in self.subjects:
            server = Server(
                subject,
                self.pool.queries,
                self.settings.limit,
                self.settings.load,
                self.settings.seed,
                self.clock,
                self.result.runs.append,
            )
            known = self.settings.load.rate is not None
            self.bounds_held &= server.run([] if known else self._alone(subject))

    def _alone(self, subject: Subject) -> Sequence[float]:
        """Return the latencies of queries that wait for no other, as many as prove a p99."""
        known = [run for run in self.result.runs_of("single") if run.subject == subject.name]
        enough = needed(SHARES["p99"]) if self.settings.load.bound_ms is not None else 1
        if known and known[0].queries >= enough:
            return known[0].whole.wall
        say(f"server: first {max(enough, _PROBE)} queries one after another")
        probed: list[Run] = []
        run_single(
            [subject],
            self.pool.queries,
            Limit(max(enough, _PROBE)),
            seed=self.settings.seed,
            clock=self.clock,
            keep=probed.append,
        )
        return probed[0].whole.wall

    def _index(self) -> None:
        for subject in self.subjects:
            found = self._vectors(subject)
            if found is None:
                say(f"index: {subject.name} has no vectors of queries to search by")
                continue
            say(f"index: recall and speed of {subject.name}")
            run_sweep(
                subject.name,
                subject.searcher.index,
                *found,
                self.settings.limit,
                clock=self.clock,
                keep=self.result.sweeps.append,
            )

    def _vectors(self, subject: Subject) -> tuple[Rows, str] | None:
        """Return vectors of queries and their kind: the index's own sample, or those of the pool.

        None is for composed queries, which have no single vector.
        """
        stored = subject.searcher.index.now.queries
        if stored is not None:
            return stored, "query modality, the index's sample"
        plain = [query for query in self.pool.queries if subject.has_stages(query)]
        first = plain[0].fields if plain else None
        alike: list[Query] = [query for query in plain if query.fields == first]
        if not alike:
            return None
        _, rows = encode_readable(subject.searcher.bundle.route(alike[0].fields), alike)
        return rows, "query modality, of this measurement"


def told_apart(subjects: Sequence[Subject]) -> list[Subject]:
    """Return the subjects under names that differ: of bundles of one name, by their numbers."""
    names = [subject.name for subject in subjects]
    if len(set(names)) == len(names):
        return list(subjects)
    return [replace(one, name=f"{one.name} ({place})") for place, one in enumerate(subjects, 1)]
