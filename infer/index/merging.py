"""Segments that become one, so that an index of many commits has few.

As in a log-structured merge tree (O'Neil et al., 1996): when eight of the last segments have more
than 8^(n-1) and at most 8^n rows, they become one with what lies between and behind them. So a row
is written again about once for each n, log8(N) times, and about 8 log8(N) segments are there.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.blocks import BLOCK
from zscr.infer.index.column import Column
from zscr.infer.index.exact import Rows
from zscr.infer.index.segment import Segment, segment_of
from zscr.infer.index.stack import NOTHING, Stack
from zscr.infer.index.tensor import Chained, Gathered, Tensor

Array = npt.NDArray[Any]

_FEW = 8
_ENDED = 0.5  # ended rows to those that are there, from which all is written again


def tidied(stack: Stack, number: int) -> Stack:
    """Return a stack without many segments or ended rows; new segments are numbered from there."""
    return compacted(stack, number) if is_sparse(stack) else merged_if_many(stack, number)


def merged_if_many(stack: Stack, number: int) -> Stack:
    """Return the stack with its last segments merged, if they are many; the new one is `number`."""
    last = stack.segments[-1].in_hnsw
    own = [one.count for one in takewhile(lambda one: one.in_hnsw == last, stack.segments[::-1])]
    for power in range(22):  # 8^21 = 2^63; the least first, so that large ones stay as they are
        small = [*takewhile((_FEW**power).__ge__, own)]
        if sum(count > _FEW ** (power - 1) or not power for count in small) >= _FEW:
            return _with_one(stack, len(stack.segments) - len(small), number)
    return stack


def is_sparse(stack: Stack) -> bool:
    """Say whether so many rows are ended that they are to be given up."""
    ended = sum(len(places) for places in stack.ended)
    return ended > 1000 and ended > _ENDED * stack.count


def compacted(stack: Stack, number: int) -> Stack:
    """Return the stack with as few segments as there may be, numbered from `number` on.

    Those are one of the rows that HNSW has, and one of the others; without any, an empty one.
    """
    parts = enumerate((stack.covered, stack.tail), number)
    return Stack.of([_one(part, own, NOTHING) for own, part in parts if part.count])


def stored_as(stack: Stack, stored: str) -> Stack:
    """Return the stack, all of whose segments are in memory, with vectors of another type."""
    if stack.segments and np.dtype(stored) == Column(stack, "vectors").dtype:
        return stack
    segments = []
    for one in stack.segments:
        kept = {name: held.all() for name, held in one.wide.items()}
        kept |= {name: kept[name].astype(stored) for name in ("vectors", "raw") if name in kept}
        wide = {name: Tensor(rows) for name, rows in kept.items()}
        segments.append(replace(one, wide=wide, file=None))
    return Stack(tuple(segments), stack.ended)


def _with_one(stack: Stack, start: int, number: int) -> Stack:
    """Return the stack with the segments from `start` on as one."""
    earlier, part = stack.segments[:start], Stack(stack.segments[start:], stack.ended[start:])
    removed = np.unique(np.concatenate([one.removed for one in part.segments]))
    places = [segment.find_labels(removed) >= 0 for segment in earlier]
    removed = removed[np.any(places, axis=0)] if places else NOTHING
    one = _one(part, number, removed)
    return Stack((*earlier, one), (*stack.ended[:start], NOTHING))


def _one(part: Stack, number: int, removed: Rows) -> Segment:
    """Return all rows of a stack, of which HNSW has all or none, as one segment."""
    rows, lengths = np.arange(part.count), part.lengths
    columns = {name: Column(part, name) for name in sorted(part.names)}
    wide = {name: _gathered(column) for name, column in columns.items()}
    return segment_of(
        number,
        part.labels(rows),
        wide,
        _joined(part, int(lengths.sum())),
        lengths,
        part.keys(rows),
        removed,
        in_hnsw=part.segments[0].in_hnsw,
    )


def _gathered(column: Column) -> Tensor | Gathered:
    """Return a column as it is to be written; a large one is not brought together before that."""
    shape, dtype = column.shape, column.dtype
    if int(np.prod(shape)) * dtype.itemsize <= BLOCK:
        return Tensor(np.asarray(column))
    return Gathered(shape, dtype, column.__getitem__)


def _joined(part: Stack, size: int) -> Array | Chained:
    """Return the lines of a stack, so many bytes, as they are to be written; likewise."""
    return np.concatenate([*part.texts()]) if size <= BLOCK else Chained(part.texts, size)
