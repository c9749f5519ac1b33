"""One scenario's measurement of one subject, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zscr.infer.bench.times import WHOLE, Times, percentiles
from zscr.schema import integer, listing, mapping, maybe, number, one_of, record, text

SCENARIOS = ("single", "server", "offline")
_MS = number(0, 1e12)
_TIMES = record({"wall_ms": listing(_MS, 1), "cpu_ms": listing(_MS)})
FACTS = {
    "rate": _MS,
    "workers": integer(1, 1 << 16),
    "batch": integer(1, 1 << 20),
    "bound_ms": maybe(_MS),
    "held": maybe(one_of(True, False)),
    "tried": listing(record({"rate": _MS, "p99_ms": maybe(_MS), "held": one_of(True, False)})),
}
RUN = record(
    {
        "scenario": one_of(*SCENARIOS),
        "subject": text(300),
        "queries": integer(1, 1 << 40),
        "unserved": integer(0, 1 << 40),
        "seconds": _MS,
        "cpu_seconds": _MS,
        "times": mapping(_TIMES, text(40), [WHOLE]),
    },
    {"facts": record({}, FACTS)},
)


@dataclass(frozen=True)
class Run:
    """What was measured.

    Attributes:
        scenario: `single`, `server` or `offline`; subject: the name of what answered.
        times: part -> its times: WHOLE is a query's latency, of `offline` a batch's. Beside it are
            the stages of `single`, and the waiting and the service of `server`.
        queries: that were answered; unserved: those that were due and were not.
        seconds: that answering them took; cpu_seconds: the computing of all threads in these.
        facts: the scenario's own settings and findings, see `FACTS`.
    """

    scenario: str
    subject: str
    times: Mapping[str, Times]
    queries: int
    seconds: float
    cpu_seconds: float
    unserved: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def whole(self) -> Times:
        """The latencies of queries, or the times of batches."""
        return self.times[WHOLE]

    @property
    def throughput(self) -> float:
        """Queries a second."""
        return self.queries / self.seconds

    @property
    def percentiles(self) -> dict[str, Any]:
        """The bounds on p50, p90 and p99 of latency that the number of queries allows."""
        return percentiles(self.whole.wall, self.unserved)

    def to_json(self) -> dict[str, Any]:
        """Return it as the result file has it; what follows from the times stands there, too."""
        times = {name: {"wall_ms": t.wall, "cpu_ms": t.cpu} for name, t in self.times.items()}
        derived: dict[str, Any] = {"queries_per_second": round(self.throughput, 3)}
        if self.scenario != "offline":
            derived["percentiles"] = self.percentiles
        own = ("scenario", "subject", "queries", "unserved", "seconds", "cpu_seconds")
        return (
            {name: getattr(self, name) for name in own}
            | derived
            | {
                "facts": dict(self.facts),
                "times": times,
            }
        )


def run_from(row: Mapping[str, Any]) -> Run:
    """Return a run from its checked JSON."""
    times = {name: Times(one["wall_ms"], one["cpu_ms"]) for name, one in row["times"].items()}
    return Run(
        row["scenario"],
        row["subject"],
        times,
        row["queries"],
        row["seconds"],
        row["cpu_seconds"],
        row["unserved"],
        row.get("facts", {}),
    )
