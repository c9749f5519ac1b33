"""When a scenario ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from zscr.errors import ConfigError
from zscr.infer.bench.clock import Clock

SECONDS = 20.0  # of a scenario, where nothing else is asked for
_MOST = 10_000_000  # arrivals of a schedule
Item = TypeVar("Item")


@dataclass(frozen=True)
class Limit:
    """How long a scenario is: so many queries, or seconds; with both, what comes first.

    Raises:
        ConfigError: one of them is not above 0.
    """

    queries: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("queries", self.queries), ("seconds", self.seconds)):
            if value is not None and not 0 < value < float("inf"):
                raise ConfigError(f"{value:g} {name} measure nothing; give more than 0")

    @classmethod
    def of(cls, queries: int | None, seconds: float | None) -> Limit:
        """Return what is asked for; without anything, SECONDS."""
        asked = queries is not None or seconds is not None
        return cls(queries, seconds if asked else SECONDS)

    def within(self, items: Iterable[Item], clock: Clock, size: int = 1) -> Iterator[Item]:
        """Yield items until it is reached, one at least; `size`: the queries that each stands for.

        Time is looked at before an item is handed out, so the last one is finished.
        """
        start, asked = clock.wall(), 0
        for item in items:
            late = self.seconds is not None and clock.wall() - start >= self.seconds
            if asked and (late or (self.queries is not None and asked >= self.queries)):
                return
            asked += size
            yield item

    def count_at(self, rate: float) -> int:
        """Return how many queries of so many a second it holds.

        Raises:
            ConfigError: more than are drawn before they are sent.
        """
        of_time = [] if self.seconds is None else [max(1, round(self.seconds * rate))]
        count = min([*of_time, *([] if self.queries is None else [self.queries])])
        if count > _MOST:
            raise ConfigError(
                f"{count:,} queries at {rate:g} a second are more than the {_MOST:,} of a "
                f"schedule; give a smaller --rate, or fewer --queries or --seconds"
            )
        return count
