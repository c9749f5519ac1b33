"""A batch of queries of several fields, and what was read of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from zscr.data.records import Query
from zscr.infer.composed.reading import Read


@dataclass(eq=False)
class Batch:
    """Queries and what was read of them.

    Attributes:
        queries: B of them.
        faults: query -> why it cannot be answered.
        notes: of each query, what is to be told of it.
        ran: what computed their rows.
    """

    queries: Sequence[Query]
    faults: dict[int, str] = field(default_factory=dict)
    notes: dict[int, list[str]] = field(default_factory=dict)
    ran: str = ""

    def take(self, read: Read, places: Sequence[int], label: str = "") -> None:
        """Note what was told of the queries at some places."""
        self.ran = read.ran
        for row, why in read.faults.items():
            self.faults.setdefault(places[row], why)
        for row, notes in read.notes.items():
            self.notes.setdefault(places[row], []).extend(label + note for note in notes)

    @property
    def sound(self) -> list[int]:
        """The queries that can be answered so far."""
        return [place for place in range(len(self.queries)) if place not in self.faults]

    def tell(self, place: int, note: str) -> None:
        """Note something of one query."""
        self.notes.setdefault(place, []).append(note)
