"""What is asked of a measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from zscr.infer.bench.limit import Limit
from zscr.infer.bench.run import SCENARIOS
from zscr.infer.bench.server import Load
from zscr.schema import flag, integer, listing, maybe, number, one_of, record, text

INDEX = "index"
PARTS = (*SCENARIOS, INDEX)
SETTINGS = record(
    {
        "parts": listing(one_of(*PARTS), 1, len(PARTS)),
        "queries": maybe(integer(1, 1 << 40)),
        "seconds": maybe(number(0, 1e9)),
        "rate": maybe(number(0, 1e9)),
        "p99_ms": maybe(number(0, 1e9)),
        "workers": integer(1, 1 << 16),
        "k": integer(1, 1 << 40),
        "backend": text(20),
        "threads": integer(1, 1 << 16),
        "seed": integer(0, 1 << 63),
        "release_memory": flag,
    }
)


@dataclass(frozen=True)
class Settings:
    """What is measured, and how long.

    Attributes:
        parts: of PARTS, in their order.
        limit: of each.
        load: of the scenario `server`.
        k: images a query.
        backend, threads: that graphs run on.
        seed: of the queries that are drawn and of their arrivals.
        release_memory: whether the memory of a batch is given back after it.
    """

    parts: tuple[str, ...] = PARTS
    limit: Limit = field(default_factory=lambda: Limit.of(None, None))
    load: Load = field(default_factory=Load)
    k: int = 10
    backend: str = "ort-cpu"
    threads: int = 1
    seed: int = 7
    release_memory: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return them as the result file has them."""
        load = {"rate": self.load.rate, "p99_ms": self.load.bound_ms, "workers": self.load.workers}
        names = ("k", "backend", "threads", "seed", "release_memory")
        own = {name: getattr(self, name) for name in names}
        return {"parts": list(self.parts)} | asdict(self.limit) | load | own


def settings_from(row: Mapping[str, Any]) -> Settings:
    """Return settings from their checked JSON."""
    return Settings(
        tuple(row["parts"]),
        Limit(row["queries"], row["seconds"]),
        Load(row["rate"], row["p99_ms"], row["workers"]),
        row["k"],
        row["backend"],
        row["threads"],
        row["seed"],
        row["release_memory"],
    )
