"""The rows that a change brings, as a segment behind those that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.artefact import dump_jsonl
from zscr.infer.index.column import Column
from zscr.infer.index.entry import entry_row
from zscr.infer.index.exact import Rows
from zscr.infer.index.generation import Generation
from zscr.infer.index.placement import New, Placement
from zscr.infer.index.roots import Root
from zscr.infer.index.segment import keys_of, new_segment
from zscr.infer.index.stack import NOTHING, Stack

Array = npt.NDArray[Any]


def appended(
    before: Generation, placed: Placement, wide: Mapping[str, Array], roots: Sequence[Root]
) -> tuple[Stack, int]:
    """Return a generation's rows after a change, and the label of the next vector.

    Args:
        before: the generation; placed: what becomes of its rows.
        wide: the matrices of the images that arrive, a row each, as they are stored.
        roots: that their lines name.
    """
    stack, new = before.stack, placed.new
    matrices = {name: _rows(stack, name, new, arrived) for name, arrived in wide.items()}
    labels, next_label = _labels(before, new, matrices)
    segment = new_segment(
        before.next_segment,
        labels,
        matrices,
        [_line(one, roots) for one in new],
        keys_of([one.entry.id for one in new]),
        np.sort(stack.labels(placed.ended)),
    )
    return stack.with_segment(segment), next_label


def diffused(before: Generation, stack: Stack, *, threads: int) -> tuple[Stack, int]:
    """Return rows whose vectors are diffused from what is `raw` of them, all in one segment.

    All of the vectors are others, and so are their labels.
    """
    assert before.diffusion is not None, "only diffused galleries come here"
    count, rows = stack.count, np.arange(stack.count)
    raw = np.asarray(Column(stack, "raw"))
    near = np.asarray(Column(stack, "features"))
    vectors = before.diffusion.of(
        raw.astype(np.float32), near.astype(np.float32), threads=threads
    ).astype(before.stored)
    segment = new_segment(
        before.next_segment,
        before.next_label + rows,
        {"vectors": vectors, "raw": raw, "features": near},
        stack.lines(rows),
        stack.keys(rows),
        NOTHING,
    )
    return Stack.of([segment]), before.next_label + count


def _rows(stack: Stack, name: str, new: Sequence[New], arrived: Array) -> Array:
    """Return a matrix of the new rows: of those that arrived, and of rows whose image has moved."""
    rows = np.empty((len(new), arrived.shape[1]), arrived.dtype)
    came = [(at, one.source) for at, one in enumerate(new) if one.source is not None]
    rows[[at for at, _ in came]] = arrived[[source for _, source in came]]
    kept = [at for at, one in enumerate(new) if one.source is None]
    if kept:
        rows[kept] = Column(stack, name)[np.array([new[at].before for at in kept], np.int64)]
    return rows


def _labels(
    before: Generation, new: Sequence[New], matrices: Mapping[str, Array]
) -> tuple[Rows, int]:
    """Return the labels of the new rows; one whose vector is the same as before keeps its own."""
    labels, next_label = np.full(len(new), -1, np.int64), before.next_label
    known = np.array([at for at, one in enumerate(new) if one.before is not None], np.int64)
    if known.size and "vectors" in matrices:
        rows = np.array([new[at].before for at in known], np.int64)
        same = (before.vectors[rows] == matrices["vectors"][known]).all(axis=1)
        labels[known[same]] = before.stack.labels(rows[same])
    fresh = np.flatnonzero(labels < 0)
    labels[fresh] = next_label + np.arange(len(fresh))
    return labels, next_label + len(fresh)


def _line(new: New, roots: Sequence[Root]) -> bytes:
    return dump_jsonl([entry_row(new.entry, roots)])
