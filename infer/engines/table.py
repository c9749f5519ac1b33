"""The list of engines laid out for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from zscr.infer.engines.listing import Row
from zscr.infer.engines.state import State
from zscr.printable import printable

_HEAD = ("bundle", "graph", "precision", "for", "MB", "age", "state")
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def engines_table(rows: Sequence[Row]) -> str:
    """Lay a list of engines out, with the reason below what cannot be used."""
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(_HEAD))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in cells]
    told = (f"{row.judged.state}: {row.judged.why}" for row in rows if _is_told(row))
    return "\n".join([*lines, *map(printable, dict.fromkeys(told))])


def _is_told(row: Row) -> bool:
    return row.judged.state is not State.USABLE


def _cells(row: Row) -> tuple[str, ...]:
    told, entry = row.to_json(), row.judged.entry
    name = printable(row.bundle.name)
    if entry is None:
        return name, printable(row.judged.folder.name), "", "", "", "", told["state"]
    graph, megabytes = printable(told["graph"]), f"{entry.size / 1e6:.1f}"
    return name, graph, told["precision"], told["for"], megabytes, _spoken(row.age), told["state"]


def _spoken(age: timedelta | None) -> str:
    seconds = age.total_seconds() if age else 0.0
    return next(
        (f"{seconds // size:.0f} {unit}" for unit, size in _UNITS if seconds >= size), "now"
    )
