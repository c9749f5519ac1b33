"""What a change did to an index, as it is reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zscr.infer.index.placement import Placement


@dataclass(frozen=True)
class ChangeReport:
    """What a change did to how many images, and the generation that is current now."""

    added: int
    replaced: int
    unchanged: int
    generation: int
    moved: int = 0
    removed: int = 0


def report_of(placed: Placement, generation: int) -> ChangeReport:
    """Return what a placement does, as it is reported."""
    counts = placed.added, placed.replaced, placed.unchanged, generation
    return ChangeReport(*counts, placed.moved, len(placed.dropped))


def sum_of(reports: Sequence[ChangeReport], *, unchanged: int) -> ChangeReport:
    """Return what several changes have done, one after the other."""
    added, replaced, moved, removed = (
        sum(getattr(report, name) for report in reports)
        for name in ("added", "replaced", "moved", "removed")
    )
    return ChangeReport(added, replaced, unchanged, reports[-1].generation, moved, removed)
