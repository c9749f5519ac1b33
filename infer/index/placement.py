"""Which row each image gets when a change comes: known ids and moved contents keep theirs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from zscr.errors import InputError, NoneLeftError
from zscr.infer.index.entry import Entry


@dataclass(frozen=True)
class Placement:
    """The rows of an index after a change.

    First `rows` get the change's vectors `sources`, behind the old rows if need be; then the rows
    `dropped` go, and those behind them move up.

    Attributes:
        entries: all of them, as they will be.
        rows, sources: equally long.
        dropped: ascending.
        moved: ids that came for ids that went, with the same content, in the same rows.
    """

    entries: tuple[Entry, ...]
    rows: tuple[int, ...]
    sources: tuple[int, ...]
    dropped: tuple[int, ...]
    added: int
    replaced: int
    unchanged: int
    moved: int

    @property
    def count(self) -> int:
        """Number of rows before any is dropped."""
        return len(self.entries) + len(self.dropped)


def place(entries: Sequence[Entry], upserts: Sequence[Entry], removals: Sequence[str]) -> Placement:
    """Give the images that arrive their rows among `entries`, of which `removals` are ids.

    Raises:
        InputError: an id to remove is unknown or arrives as well, or no image would be left.
    """
    placed, row_of = list(entries), {entry.id: row for row, entry in enumerate(entries)}
    vacant = _vacant(entries, row_of, removals, {entry.id for entry in upserts})
    rows, sources = list[int](), list[int]()
    unchanged = moved = 0
    for source, entry in enumerate(upserts):
        row = row_of.get(entry.id, len(placed))
        if row < len(entries) and placed[row] == entry:
            unchanged += 1
        elif row == len(placed) and vacant[entry.sha256]:
            placed[vacant[entry.sha256].pop()] = entry
            moved += 1
        else:
            placed[row : row + 1] = [entry]
            rows.append(row)
            sources.append(source)
    dropped = sorted(row for left in vacant.values() for row in left)
    added = len(placed) - len(entries)
    gone = set(dropped)
    return Placement(
        tuple(entry for row, entry in enumerate(placed) if row not in gone),
        tuple(rows),
        tuple(sources),
        tuple(dropped),
        added,
        len(rows) - added,
        unchanged,
        moved,
    )


def _vacant(
    entries: Sequence[Entry], row_of: dict[str, int], removals: Sequence[str], arriving: set[str]
) -> dict[str, list[int]]:
    """Return content -> the rows that fall vacant, first one last; take them out of `row_of`."""
    unknown = [name for name in removals if name not in row_of or name in arriving]
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
    vacant: dict[str, list[int]] = defaultdict(list)
    for row in sorted((row_of.pop(name) for name in dict.fromkeys(removals)), reverse=True):
        vacant[entries[row].sha256].append(row)
    return vacant
