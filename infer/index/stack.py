"""The rows of an index: those of all its segments, one after the other, without what was ended.

Row numbers count the rows that are there, so they run from 0 to N - 1 whatever lies in between.
With the ended places d_0 < d_1 < ... of a segment, the place p of its l-th row is l + j, where j
of them lie before it: those with d_i - i <= l. And back, l = p - (those with d_i < p).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.infer.index.exact import Rows
from zscr.infer.index.segment import Segment, keys_of

Array = npt.NDArray[Any]
NOTHING: Rows = np.empty(0, np.int64)


@dataclass(frozen=True, eq=False)
class Stack:
    """Segments in the order of their commits, and the places in each whose rows are ended."""

    segments: tuple[Segment, ...] = ()
    ended: tuple[Rows, ...] = ()

    @classmethod
    def of(cls, segments: Sequence[Segment]) -> Stack:
        """Put segments one after the other; each ends rows of those before it."""
        stack = cls()
        for segment in segments:
            stack = stack.with_segment(segment)
        return stack

    def with_segment(self, segment: Segment) -> Stack:
        """Return the stack with one more segment, and without the rows that this ends."""
        ended = list(self.ended)
        if segment.removed.size:
            for at, before in enumerate(self.segments):
                places = before.find_labels(segment.removed)
                if (places >= 0).any():
                    ended[at] = np.union1d(ended[at], places[places >= 0])
        return Stack((*self.segments, segment), (*ended, NOTHING))

    def with_hnsw(self, covered: bool) -> Stack:
        """Return the stack where HNSW has all rows, or none."""
        return Stack(tuple(replace(one, in_hnsw=covered) for one in self.segments), self.ended)

    @cached_property
    def starts(self) -> Rows:
        """The number of the first row of each segment, and at the end N."""
        counts = [s.count - len(d) for s, d in zip(self.segments, self.ended, strict=True)]
        return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

    @cached_property
    def count(self) -> int:
        """N, the number of rows that are there."""
        return int(self.starts[-1])

    def places(self, rows: Rows) -> Iterator[tuple[Segment, Rows, Rows]]:
        """Split rows by segments: which of the rows, and their places in the segment."""
        if len(self.segments) == 1 or (rows.size and rows.max() < self.starts[1]):
            # As most often, and a search has no time to lose.
            yield self.segments[0], np.arange(len(rows)), self._places(0, rows)
            return
        owner = np.searchsorted(self.starts, rows, "right") - 1
        for at in np.unique(owner).tolist():
            mine = np.flatnonzero(owner == at)
            yield self.segments[at], mine, self._places(at, rows[mine])

    def _places(self, at: int, rows: Rows) -> Rows:
        """Return the places in the segment `at` of rows that it has."""
        local: Rows = rows - self.starts[at]
        ended = self.ended[at]
        if not ended.size:
            return local
        return local + np.searchsorted(ended - np.arange(len(ended)), local, "right")

    def rows_of(self, at: int, places: Rows) -> Rows:
        """Return the rows of places in the segment `at`; -1 where they are ended, or -1."""
        ended = self.ended[at]
        if not ended.size:
            return np.where(places < 0, -1, self.starts[at] + places) if at else places
        before = np.searchsorted(ended, places)
        gone = (ended[np.minimum(before, len(ended) - 1)] == places) | (places < 0)
        return np.where(gone, -1, self.starts[at] + places - before)

    def rows_of_labels(self, labels: Rows) -> Rows:
        """Return the row of each label, of any shape; -1 where it is no longer there."""
        if self._labels_are_rows and labels.size and labels.max() < self.count:
            return labels  # as most often
        rows: Rows | None = None
        for at, segment in enumerate(self.segments):
            found = self.rows_of(at, segment.find_labels(labels))
            rows = found if rows is None else np.maximum(rows, found)
            if np.count_nonzero(rows >= 0) == rows.size:
                break  # as most often: the first segment has them
        return np.full(labels.shape, -1) if rows is None else rows

    @cached_property
    def _labels_are_rows(self) -> bool:
        """Whether nothing has changed since a first commit, which counts labels from 0."""
        return len(self.segments) == 1 and not self.ended[0].size and self.segments[0].counts_from_0

    def candidates(self, ids: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Yield which of the ids may have which row: the key of the row's own id is the same."""
        keys = keys_of(ids)
        for at, segment in enumerate(self.segments):
            which, places = segment.find_keys(keys)
            rows = self.rows_of(at, places)
            yield from zip(which[rows >= 0].tolist(), rows[rows >= 0].tolist(), strict=True)

    def lines(self, rows: Rows) -> list[bytes]:
        """Return the JSON of the rows' entries."""
        found = [b""] * len(rows)
        for segment, which, places in self.places(rows):
            for one, place in zip(which.tolist(), places.tolist(), strict=True):
                found[one] = segment.line(place)
        return found

    @property
    def lengths(self) -> Rows:
        """Of the lines of all rows (N,), in bytes."""
        parts = zip(self.segments, self.ended, strict=True)
        lengths = [np.delete(np.diff(one.numbers["starts"]), ended) for one, ended in parts]
        return np.concatenate([NOTHING, *lengths])

    def texts(self) -> Iterator[Array]:
        """Yield the lines of all rows one after the other, as bytes, a segment at a time."""
        for segment, ended in zip(self.segments, self.ended, strict=True):
            text = np.frombuffer(segment.text, np.uint8)
            if ended.size:
                left = np.ones(segment.count, bool)
                left[ended] = False
                text = text[np.repeat(left, np.diff(segment.numbers["starts"]))]
            yield text

    def labels(self, rows: Rows) -> Rows:
        """Return the labels of rows."""
        found = np.empty(len(rows), np.int64)
        for segment, which, places in self.places(rows):
            found[which] = segment.labels[places]
        return found

    def keys(self, rows: Rows) -> Rows:
        """Return the keys of the rows' ids."""
        found = np.empty(len(rows), np.int64)
        for segment, which, places in self.places(rows):
            found[which] = segment.keys[places]
        return found

    @cached_property
    def covered(self) -> Stack:
        """The rows that HNSW has, which are those of the first segments."""
        return Stack(self.segments[: self._covered], self.ended[: self._covered])

    @property
    def with_ended(self) -> Stack:
        """All rows of its segments, those included that are ended."""
        return Stack(self.segments, (NOTHING,) * len(self.segments))

    @cached_property
    def tail(self) -> Stack:
        """The rows that it has not yet, which come behind those."""
        return Stack(self.segments[self._covered :], self.ended[self._covered :])

    @property
    def _covered(self) -> int:
        return sum(segment.in_hnsw for segment in self.segments)

    @cached_property
    def names(self) -> frozenset[str]:
        """The matrices that rows have: `vectors`, and `raw` and `features` where there are any."""
        return frozenset(name for segment in self.segments for name in segment.wide)
