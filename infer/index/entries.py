"""The entries of an index in the order of its rows, each parsed when it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, overload

import numpy as np

from zscr.errors import ArtefactError
from zscr.infer.index.entry import Entry, entry_from
from zscr.infer.index.roots import Root
from zscr.infer.index.stack import Stack
from zscr.strict_json import parse_json

_AT_ONCE = 4096  # lines that are looked up together
_KEPT = 100_000  # entries that are kept, about 50 MB


class Entries(Sequence[Entry]):
    """A sequence of N entries; once it was gone through, it is kept in memory."""

    def __init__(self, stack: Stack, roots: Sequence[Root]) -> None:
        self._stack = stack
        self._roots: Mapping[str, Root] = {root.name: root for root in roots}
        self._found: dict[int, Entry] | tuple[Entry, ...] = {}  # by its row

    def __len__(self) -> int:
        return self._stack.count

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._all == tuple(other)

    __hash__ = None  # type: ignore[assignment]

    @overload
    def __getitem__(self, row: int) -> Entry: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[Entry, ...]: ...
    def __getitem__(self, row: int | slice) -> Entry | tuple[Entry, ...]:
        """Return the entry of a row, or those of a slice.

        Raises:
            ArtefactError: it is damaged, or no entry.
        """
        if isinstance(row, slice):
            return tuple(self.of(range(*row.indices(len(self)))))
        return self.of([range(len(self))[row]])[0]

    def of(self, rows: Sequence[int]) -> list[Entry]:
        """Return the entries of rows; those that were found lately are still at hand."""
        held = self._found  # which other threads may replace, but not empty
        try:
            return [held[row] for row in rows]
        except KeyError:
            assert isinstance(held, dict), "all of them have every row"
            return self._of(rows, held)

    def _of(self, rows: Sequence[int], held: dict[int, Entry]) -> list[Entry]:
        """Return the entries of rows, not all of which are held."""
        if len(held) > _KEPT:
            held = {row: held[row] for row in rows if row in held}
        fresh = [row for row in rows if row not in held]
        lines = self._stack.lines(np.array(fresh, np.int64))
        held |= zip(fresh, map(self._parsed, lines), strict=True)
        self._found = held
        return [held[row] for row in rows]

    def each(self) -> Iterator[Entry]:
        """Yield all of them; those that are not at hand are not kept, whatever their number."""
        if isinstance(self._found, tuple):
            yield from self._found
            return
        for start in range(0, len(self), _AT_ONCE):
            rows = np.arange(start, min(start + _AT_ONCE, len(self)))
            yield from map(self._parsed, self._stack.lines(rows))

    def roots_of(self, rows: Iterable[int]) -> set[str]:
        """Return the names of the roots that the lines of rows name."""
        lines = self._stack.lines(np.array([*rows], np.int64))
        parsed = [parse_json(line) for line in lines]
        places = [place for row in parsed for place in (row, *row.get("also", ()))]
        return {place["root"] for place in places if "root" in place}

    def find(self, ids: Sequence[str]) -> dict[str, int]:
        """Return the rows of those of the ids that are there."""
        pairs = [*self._stack.candidates(ids)]
        lines = self._stack.lines(np.array([row for _, row in pairs], np.int64))
        return {
            ids[which]: row
            for (which, row), line in zip(pairs, lines, strict=True)
            if self._is_of(line, ids[which])  # and not of another id with the same key
        }

    def _is_of(self, line: bytes, name: str) -> bool:
        """Say whether a line is an id's: as zscr writes lines, that can be seen unparsed."""
        begin = b'{"id": ' + json.dumps(name, ensure_ascii=False).encode() + b", "
        return line.startswith(begin) or self._parsed(line).id == name

    @cached_property
    def _all(self) -> tuple[Entry, ...]:
        lines = self._stack.lines(np.arange(len(self)))
        self._found = tuple(map(self._parsed, lines))
        return self._found

    def _parsed(self, line: bytes) -> Entry:
        try:
            row: Any = parse_json(line)
            return entry_from(row, self._roots)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ArtefactError(
                f"an entry of the index is {line[:80]!r}, which is none ({error!r}); make it anew"
            ) from error


NO_ENTRIES = Entries(Stack(), ())
