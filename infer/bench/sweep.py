"""Recall against queries a second of an index: exact search, and HNSW at every ef of a ladder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np

from zscr.infer.bench.clock import Clock
from zscr.infer.bench.limit import Limit
from zscr.infer.bench.loops import in_turns
from zscr.infer.bench.times import WHOLE, Stopwatch
from zscr.infer.index.exact import Hits, Vectors
from zscr.infer.index.index import Index
from zscr.infer.index.measuring import LADDER, recall_of
from zscr.schema import integer, listing, maybe, number, record, text

K = 10
_EF = 1 << 20
POINT = record(
    {
        "ef": maybe(integer(1, _EF)),
        "recall_at_10": number(0, 1),
        "wall_ms": listing(number(0, 1e12), 1),
    }
)
SWEEP = record(
    {
        "subject": text(300),
        "queries": text(100),
        "n": integer(1, 1 << 40),
        "chosen_ef": maybe(integer(1, _EF)),
        "points": listing(POINT, 1, 100),
    }
)


@dataclass(frozen=True)
class Point:
    """One way to search.

    Attributes:
        ef: candidates that HNSW keeps; None is exact search.
        recall: share of the hits that score at least as high as exact search's 10th.
        wall: milliseconds of one query's vector at a time.
    """

    ef: int | None
    recall: float
    wall: Sequence[float]

    @property
    def throughput(self) -> float:
        """Queries a second, one at a time, at the median: a pause falls on one way alone."""
        return 1e3 / float(np.median(self.wall))


@dataclass(frozen=True)
class Sweep:
    """The ways to search one index, in the order of their recall.

    Attributes:
        subject: whose index it is; queries: what kind they were; n: how many.
        chosen_ef: what the index searches with; None is exactly.
    """

    subject: str
    queries: str
    n: int
    chosen_ef: int | None
    points: Sequence[Point]

    def is_best(self, point: Point) -> bool:
        """Say whether no other is at least as good in recall and speed, and better in one."""
        own = point.recall, point.throughput
        rivals = ((one.recall, one.throughput) for one in self.points)
        return not any(r != own and r[0] >= own[0] and r[1] >= own[1] for r in rivals)

    def to_json(self) -> dict[str, Any]:
        """Return it as the result file has it."""
        points = [
            {
                "ef": one.ef,
                "recall_at_10": one.recall,
                "queries_per_second": round(one.throughput, 3),
                "best": self.is_best(one),
                "wall_ms": list(one.wall),
            }
            for one in self.points
        ]
        own = ("subject", "queries", "n", "chosen_ef")
        return {name: getattr(self, name) for name in own} | {"points": points}


def sweep_from(row: Mapping[str, Any]) -> Sweep:
    """Return a sweep from its checked JSON."""
    points = [Point(one["ef"], one["recall_at_10"], one["wall_ms"]) for one in row["points"]]
    return Sweep(row["subject"], row["queries"], row["n"], row["chosen_ef"], points)


def run_sweep(
    subject: str,
    index: Index,
    asked: Vectors,
    kind: str,
    limit: Limit,
    *,
    clock: Clock,
    keep: Callable[[Sweep], None],
) -> None:
    """Search for one vector at a time in every way in turns; exact search is the truth.

    Args:
        subject: the name of whose index it is.
        index: of any size; without HNSW it is searched exactly alone.
        asked: (Q, D) queries, asked again from the first until the limit.
        kind: what they are.
    """
    ways: list[int | None] = [None, *(LADDER if index.now.hnsw is not None else ())]
    batch = limit.queries or len(asked)
    asked = asked[:batch]
    truth = _hits(index, asked, None)
    recalls = [recall_of(_hits(index, asked, ef), truth) for ef in ways]
    watches = [Stopwatch(clock) for _ in ways]
    calls = [
        watch.timing(partial(_search, index, ef)) for ef, watch in zip(ways, watches, strict=True)
    ]
    rows = (asked[row : row + 1] for row in cycle(range(len(asked))))
    try:
        in_turns(calls, limit.within(rows, clock))
    finally:
        if all(watch.times for watch in watches):
            walls = [watch.times[WHOLE].wall for watch in watches]
            points = [Point(*one) for one in zip(ways, recalls, walls, strict=True)]
            keep(Sweep(subject, kind, len(asked), index.choice.ef, points))


def _search(index: Index, ef: int | None, asked: Vectors) -> Any:
    return index.search(asked, K, exact=True) if ef is None else index.search(asked, K, ef=ef)


def _hits(index: Index, asked: Vectors, ef: int | None) -> Hits:
    """Return the scores of what is found; recall is by score, so its rows are of no matter."""
    found = _search(index, ef, asked)
    scores = np.array([[match.score for match in one] for one in found])
    return Hits(np.zeros(scores.shape, np.int64), scores)
