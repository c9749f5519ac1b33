"""What becomes of an index's rows when a change comes: which stay, which end, which are new."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zscr.errors import InputError, NoneLeftError
from zscr.infer.index.entries import Entries
from zscr.infer.index.entry import Entry
from zscr.infer.index.exact import Rows


@dataclass(frozen=True)
class New:
    """A row that is to be written.

    Attributes:
        entry: of the image.
        source: which of the change's vectors it gets; None: it keeps that of the row `before`.
        before: the row that it comes for, None if there was none.
    """

    entry: Entry
    source: int | None
    before: int | None


@dataclass(frozen=True)
class Placement:
    """The rows of an index after a change: those before without the ended ones, then the new.

    Attributes:
        count: rows before.
        new: those to come.
        dropped: the rows of images that go and for which none comes, ascending.
        added, replaced, unchanged: how many of the change's images.
        moved: how many came for images that went, with the same content.
    """

    count: int
    new: tuple[New, ...]
    dropped: tuple[int, ...]
    added: int
    replaced: int
    unchanged: int
    moved: int

    @cached_property
    def ended(self) -> Rows:
        """The rows that end, ascending."""
        replaced = [one.before for one in self.new if one.before is not None]
        return np.array(sorted([*self.dropped, *replaced]), np.int64)

    def after(self, entries: Entries) -> list[Entry]:
        """Return what the entries before become."""
        gone = {*self.ended.tolist()}
        left = [entry for row, entry in enumerate(entries) if row not in gone]
        return [*left, *(one.entry for one in self.new)]


def place(entries: Entries, upserts: Sequence[Entry], removals: Sequence[str]) -> Placement:
    """Give the images that arrive their rows behind `entries`, of which `removals` are ids.

    Raises:
        InputError: an id to remove is unknown or arrives as well, or no image would be left.
    """
    known = entries.find([*(entry.id for entry in upserts), *removals])
    _require_known(entries, known, removals, {entry.id for entry in upserts})
    vacant = _vacant(entries, known, removals, any_come=bool(upserts))
    rows = [known[entry.id] for entry in upserts if entry.id in known]
    before = dict(zip(rows, entries.of(rows), strict=True))
    new, counts = list[New](), dict.fromkeys(("added", "replaced", "unchanged", "moved"), 0)
    for source, entry in enumerate(upserts):
        row = known.get(entry.id)
        if row is not None and before[row] == entry:
            counts["unchanged"] += 1
        elif row is not None:
            counts["replaced"] += 1
            new.append(New(entry, source, row))
        elif vacant[entry.sha256]:
            counts["moved"] += 1
            new.append(New(entry, None, vacant[entry.sha256].pop()))
        else:
            counts["added"] += 1
            new.append(New(entry, source, None))
    dropped = sorted(row for left in vacant.values() for row in left)
    return Placement(len(entries), tuple(new), tuple(dropped), **counts)


def _require_known(
    entries: Entries, known: dict[str, int], removals: Sequence[str], arriving: set[str]
) -> None:
    unknown = [name for name in removals if name not in known or name in arriving]
    if unknown:
        raise InputError(
            f"{len(unknown)} ids to remove are not in the index, or arrive with the same change, "
            f"first {unknown[0]}; name ids that it holds"
        )
    if removals and len(set(removals)) == len(entries) and not arriving:
        raise NoneLeftError(
            f"all {len(entries)} images would be removed, and an index holds at least one; if the "
            f"index is to go, delete its folder, not that of the images"
        )


def _vacant(
    entries: Entries, known: dict[str, int], removals: Sequence[str], *, any_come: bool
) -> dict[str, list[int]]:
    """Return content -> the rows that fall vacant, first one last; all under one if none come."""
    vacant: dict[str, list[int]] = defaultdict(list)
    rows = sorted({known[name] for name in removals}, reverse=True)
    contents = [entry.sha256 for entry in entries.of(rows)] if any_come else [""] * len(rows)
    for row, content in zip(rows, contents, strict=True):
        vacant[content].append(row)
    return vacant
