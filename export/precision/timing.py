"""What graphs of one kind of query cost on this machine, in turns, on one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from zscr.data.records import Query
from zscr.infer.encoder import Encoder
from zscr.infer.models.samples import spread

ALONE, BATCH = 30, 64  # queries that are asked alone; rows of a batch
_BATCHES = 3  # that are timed
Way = TypeVar("Way", bound=Hashable)  # in which a graph runs


def time_graphs(
    encoders: Mapping[Way, Encoder], samples: Sequence[Query]
) -> dict[Way, dict[str, float]]:
    """Return way -> median milliseconds of a query alone and of a batch of 64.

    Texts are tokenised before. All take turns with each query, so that what else the machine does
    falls on each alike.

    Returns:
        `cpu_ms`, `wall_ms`: of a query alone; `batch_cpu_ms`, `batch_wall_ms`: of 64.
    """
    alone = [[query] for query in spread(samples, ALONE)]
    batch = [samples[row % len(samples)] for row in range(BATCH)]
    found: dict[Way, dict[str, float]] = {name: {} for name in encoders}
    for prefix, asked in (("", alone), ("batch_", [batch] * _BATCHES)):
        for name, spent in _turns(encoders, [asked[0], *asked]).items():
            cpu, wall = (statistics.median(times[1:]) for times in zip(*spent, strict=True))
            found[name] |= {f"{prefix}cpu_ms": cpu, f"{prefix}wall_ms": wall}
    return found


def _turns(
    encoders: Mapping[Way, Encoder], asked: Sequence[Sequence[Query]]
) -> dict[Way, list[tuple[float, float]]]:
    """Let each encoder run each batch in turn -> (CPU, wall) milliseconds of each."""
    spent: dict[Way, list[tuple[float, float]]] = {name: [] for name in encoders}
    for queries in asked:
        for name, encoder in encoders.items():
            feeds = encoder.prepare(queries).feeds
            spent[name].append(_timed(partial(encoder.run, feeds)))
    return spent


def _timed(work: Callable[[], object]) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return 1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - wall)
