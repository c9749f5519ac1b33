"""A part of an index: the images in a folder, or with certain attributes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from zscr.errors import InputError
from zscr.infer.index.exact import Rows
from zscr.infer.index.generation import Generation
from zscr.infer.index.roots import lies_in

Where = Mapping[str, Sequence[str]]  # attribute -> values, one of which it must have


@dataclass(frozen=True)
class Only:
    """Which images are searched; all of them, if it says nothing.

    Attributes:
        within: a folder, without links, that they must lie in.
        where: attributes that they must have, each with one of some values.
    """

    within: Path | None = None
    where: Where = field(default_factory=dict, hash=False)

    def __bool__(self) -> bool:
        """Say whether it leaves out any."""
        return self.within is not None or bool(self.where)

    def rows(self, now: Generation) -> Rows | None:
        """Return the rows (M,) of a generation that are searched, ascending; None for all.

        Raises:
            InputError: no image has what is asked for of an attribute.
        """
        parts = [rows_where(now, name, values) for name, values in self.where.items()]
        if self.within is not None:
            parts.append(rows_in(now, self.within))
        if not parts:
            return None
        rows = parts[0]
        for other in parts[1:]:
            rows = np.intersect1d(rows, other, assume_unique=True)
        return rows


ALL = Only()


def where_of(told: Sequence[str]) -> Where:
    """Read attributes as they are typed: `class=wren`; of one that is named twice, either will do.

    Raises:
        InputError: one has no `=`, or no name.
    """
    found: dict[str, list[str]] = {}
    for one in told:
        name, equals, value = one.partition("=")
        if not (equals and name):
            raise InputError(f"{one!r} says no attribute; write it as class=wren")
        found.setdefault(name, []).append(value)
    return found


def rows_in(now: Generation, folder: Path) -> Rows:
    """Return the rows of the images that have a place in a folder."""
    entries = enumerate(now.entries)
    held = [row for row, entry in entries if any(lies_in(p, str(folder)) for p in entry.places)]
    return np.array(held, np.int64)


def rows_where(now: Generation, name: str, values: Sequence[str]) -> Rows:
    """Return the rows of the images an attribute of which has one of some values, ascending.

    Lines are searched and not parsed. In a line as zscr writes it, a quotation mark behind `{` or
    a comma and a blank begins a key: within a text it would have a backslash before it. A key of
    the line's own, such as `id`, is told apart by parsing what is found.

    Raises:
        InputError: there is none.
    """
    quoted = [re.escape(json.dumps(one, ensure_ascii=False).encode()) for one in values]
    key = re.escape(json.dumps(name, ensure_ascii=False).encode())
    pattern = re.compile(b"(?:[{]|, )" + key + b": (?:" + b"|".join(quoted) + b")")
    parts = [now.stack.rows_of(at, np.array([*places])) for at, places in _found(now, pattern)]
    rows = np.unique(np.concatenate(parts)) if parts else np.empty(0, np.int64)
    rows = rows[rows >= 0]
    if name in ("id", "sha256", "image", "root"):
        entries = zip(rows.tolist(), now.entries.of(rows.tolist()), strict=True)
        rows = np.array([row for row, one in entries if one.attributes.get(name) in values], int)
    if not rows.size:
        raise InputError(f"no image of the index has the {name} {' or '.join(values)}")
    return rows


def _found(now: Generation, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, set[int]]]:
    """Yield segments and the places of their lines that match."""
    for at, segment in enumerate(now.stack.segments):
        starts = [match.start() for match in pattern.finditer(segment.text)]
        places = np.searchsorted(segment.numbers["starts"], starts, "right") - 1
        if places.size:
            yield at, set(places.tolist())
