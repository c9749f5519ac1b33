"""The load generators: one query after another, and open loop, as queries arrive.

Whatever runs is passed in, and so is the clock: what they do can be reckoned by hand.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from zscr.infer.bench.clock import Clock
from zscr.infer.bench.times import Times

Item = TypeVar("Item")
_GRACE = 5.0  # seconds after a schedule's end, or its length, until what waits is given up

_NAP = 0.2  # seconds after which a worker that waits looks whether all is over


def in_turns(
    calls: Sequence[Callable[[Item], object]], items: Iterable[Item], seed: int = 7
) -> None:
    """Make every call with every item, one after the other, in an order drawn for each item.

    So what else the machine does, and what the call before has left in the caches, falls on each
    alike.
    """
    rng = np.random.default_rng(seed)
    for item in items:
        for place in rng.permutation(len(calls)):
            calls[place](item)


@dataclass
class Served:
    """What came of a schedule.

    Attributes:
        latency: from when a query was scheduled to its answer; waiting: to when its turn came;
            service: from then on. A row a query that was answered.
        due: the queries whose time had come at the end; unserved: those without an answer.
        seconds, cpu_seconds: of the whole, by the clock and computed.
    """

    latency: Times = field(default_factory=Times)
    waiting: Times = field(default_factory=Times)
    service: Times = field(default_factory=Times)
    due: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def unserved(self) -> int:
        """The queries that were due and have no answer."""
        return self.due - len(self.latency.wall)


@dataclass
class OpenLoop:
    """Serves queries when they are scheduled, whether or not the one before has been answered.

    Latency begins at the scheduled moment, not when a worker is free: otherwise a stall would delay
    the load itself, and hide from all but one query (coordinated omission).

    Attributes:
        call: answers one item.
        clock: tells the time.
        workers: how many items are answered at once.
    """

    call: Callable[[Any], object]
    clock: Clock
    workers: int = 1
    served: Served = field(default_factory=Served)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stopped: bool = False

    def serve(self, schedule: Sequence[float], items: Iterable[Any]) -> Served:
        """Serve one item at each moment, in seconds from now; after a Ctrl-C, `served` holds it.

        A load that cannot be borne is given up when the schedule has been over for as long as it
        took; what is unserved then counts as slower than all else.
        """
        start, cpu = self.clock.wall(), self.clock.cpu()
        coming = iter(zip((start + moment for moment in schedule), items, strict=False))
        end = start + schedule[-1] + max(schedule[-1], _GRACE)
        try:
            if self.workers == 1:
                self._work(coming, end)
            else:
                self._work_together(coming, end)
        finally:
            now = self.clock.wall()
            self.served.seconds, self.served.cpu_seconds = now - start, self.clock.cpu() - cpu
            due = sum(start + moment <= now for moment in schedule)
            self.served.due = max(due, len(self.served.latency.wall))
        return self.served

    def _work_together(self, coming: Iterator[tuple[float, Any]], end: float) -> None:
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                for worker in [pool.submit(self._work, coming, end) for _ in range(self.workers)]:
                    worker.result()
            finally:  # of a Ctrl-C, or what a worker raised: the others end with their query
                self._stopped = True

    def _work(self, coming: Iterator[tuple[float, Any]], end: float) -> None:
        while not self._stopped:
            with self._lock:
                due, item = next(coming, (None, None))
            if due is None or self.clock.wall() > end:
                return
            while not self._stopped and (early := due - self.clock.wall()) > 0:
                self.clock.sleep(min(early, _NAP))
            if self._stopped:
                return
            begun = self.clock.wall()
            self.call(item)
            self._add(due, begun, self.clock.wall())

    def _add(self, due: float, begun: float, done: float) -> None:
        with self._lock:
            self.served.latency.add(done - due)
            self.served.waiting.add(begun - due)
            self.served.service.add(done - begun)
