"""A matrix of an index, whose rows lie in its segments, as searches use it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.infer.index.exact import Rows, Vectors, multiply
from zscr.infer.index.stack import Stack
from zscr.infer.index.tensor import Gathered, Tensor

Array = npt.NDArray[Any]
_INT64 = np.dtype(np.int64)


class Column:
    """A matrix of a stack (N, E), whose rows lie in its segments: multiplied without a copy."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack, self._name = stack, name
        first = next(s.wide[name] for s in stack.segments if name in s.wide)
        self._shape, self.dtype = (stack.count, *first.shape[1:]), first.dtype

    def __len__(self) -> int:
        return self._shape[0]

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, E)."""
        return self._shape

    @cached_property
    def tail(self) -> Column | None:
        """The last rows, which HNSW has not; None if it has all."""
        return Column(self.stack.tail, self._name) if self.stack.tail.count else None

    def __getitem__(self, rows: Any) -> Array:
        """Return a copy of some rows, as a matrix would; float16 stays what it is."""
        if isinstance(rows, np.ndarray) and rows.dtype is _INT64 and rows.ndim == 1:
            return self._taken(rows) if self._only is None else self._only.take(rows)
        if isinstance(rows, slice):
            rows = np.arange(*rows.indices(len(self)))
        wanted = np.arange(len(self))[rows] if np.ndim(rows) == 0 else np.asarray(rows)
        numbers = np.atleast_1d(wanted)
        numbers = np.flatnonzero(numbers) if numbers.dtype == bool else numbers.astype(np.int64)
        found = self._taken(numbers)
        return found if np.ndim(wanted) else found[0]

    @cached_property
    def _only(self) -> Tensor | Gathered | None:
        """The rows, if one segment has them all, and no others."""
        segments = self.stack.segments
        whole = len(segments) == 1 and not self.stack.ended[0].size
        return segments[0].wide[self._name] if whole else None

    def _taken(self, rows: Rows) -> Array:
        parts = [
            (which, segment.wide[self._name].take(places))
            for segment, which, places in self.stack.places(rows)
        ]
        if len(parts) == 1:  # as most often
            return parts[0][1]
        found = np.empty((len(rows), *self.shape[1:]), self.dtype)
        for which, taken in parts:
            found[which] = taken
        return found

    def part(self, rows: Rows) -> Array:
        """Return a copy of rows as float32."""
        return self[rows].astype(np.float32, copy=False)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """Return all rows as one matrix."""
        whole = self._whole()
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def _whole(self) -> Array:
        parts = [
            np.delete(rows, ended, 0) if ended.size else rows for _, rows, ended in self._held()
        ]
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else np.empty(self.shape, self.dtype)

    def _held(self) -> Iterator[tuple[slice, Array, Rows]]:
        """Yield which rows a segment has, if any, all that it holds, and the places of others."""
        bounds = zip(self.stack.starts, self.stack.starts[1:], strict=False)
        for segment, ended, (start, stop) in zip(
            self.stack.segments, self.stack.ended, bounds, strict=True
        ):
            if start < stop:
                yield slice(start, stop), segment.wide[self._name].all(), ended

    def products(self, queries: Vectors) -> Vectors:
        """Return the products (B, N) of queries (B, E) with all rows."""
        found = np.empty((len(queries), len(self)), np.float32)
        for own, rows, ended in self._held():
            products = (
                _widened(rows, queries) if rows.dtype == np.float16 else multiply(rows, queries)
            )
            found[:, own] = np.delete(products, ended, 1) if ended.size else products
        return found


_BLOCK = 1 << 22  # numbers of float16 that are widened at once: 16 MiB


def _widened(rows: Array, queries: Vectors) -> Vectors:
    """Return the products (B, C) of queries (B, E) with rows (C, E) of float16."""
    step = max(1, _BLOCK // max(1, rows.shape[1]))
    parts = [
        multiply(rows[start : start + step].astype(np.float32), queries)
        for start in range(0, len(rows), step)
    ]
    return np.hstack(parts) if parts else np.empty((len(queries), 0), np.float32)
