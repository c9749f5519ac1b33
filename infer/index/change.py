"""Merging images into a gallery by id, after checking what came in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.index.exact import Rows, Vectors
from zscr.infer.index.generation import Entry

_NORM_TOLERANCE = 1e-3  # what an fp16 or int8 graph may be off by


@dataclass(frozen=True, eq=False)
class Upsert:
    """A merged gallery. `changed` are the rows of `vectors` (N, D) that were added or replaced."""

    entries: tuple[Entry, ...]
    vectors: Vectors
    changed: Rows
    added: int
    replaced: int
    unchanged: int


def upsert(
    entries: tuple[Entry, ...], vectors: Vectors, arrived: Sequence[Entry], embedded: Vectors
) -> Upsert:
    """Merge `arrived` with their vectors `embedded` (A, D) into `entries` with `vectors` (N, D).

    A known id keeps its row: it is unchanged if all of its entry is equal, else replaced. New ids
    are appended in the order in which they arrive.
    """
    merged, row_of = list(entries), {entry.id: row for row, entry in enumerate(entries)}
    rows, sources = [], []
    for source, entry in enumerate(arrived):
        row = row_of.get(entry.id, len(merged))
        if row < len(entries) and merged[row] == entry:
            continue
        merged[row : row + 1] = [entry]
        rows.append(row)
        sources.append(source)
    gallery = np.empty((len(merged), embedded.shape[1]), np.float32)
    gallery[: len(vectors)] = vectors
    gallery[rows] = embedded[sources]
    added = len(merged) - len(entries)
    return Upsert(
        entries=tuple(merged),
        vectors=gallery,
        changed=np.array(rows, np.int64),
        added=added,
        replaced=len(rows) - added,
        unchanged=len(arrived) - len(rows),
    )


def check_entries(entries: Sequence[Entry]) -> None:
    """Prove that ids are there and occur once, and that all can be written as UTF-8.

    Raises:
        InputError: names the first offender.
    """
    for entry in entries:
        if not entry.id:
            raise InputError(f"the image {entry.image or entry.sha256} has an empty id; name it")
        try:
            "".join((entry.id, entry.class_id or "", entry.image or "")).encode()
        except UnicodeEncodeError as error:
            raise InputError(f"{entry.id!r} has a name that is not UTF-8; rename it") from error
    entry_id, times = max(
        Counter(e.id for e in entries).items(), key=lambda c: c[1], default=("", 0)
    )
    if times > 1:
        raise InputError(f"the id {entry_id} is given {times} times; make ids unique")


def check_vectors(
    vectors: npt.ArrayLike, dim: int | None, names: Sequence[str] | None = None
) -> Vectors:
    """Return `vectors` as a float32 matrix (N, dim) whose rows are unit vectors.

    Args:
        vectors: one row per name, or any number of rows without names.
        dim: length of a row; None takes what comes.
        names: what the rows are called in messages.

    Raises:
        InputError: another shape, or a row that is not finite or not of norm 1; names the row.
    """
    matrix: Vectors = np.ascontiguousarray(vectors, np.float32)
    wanted = (len(matrix) if names is None else len(names), dim or matrix.shape[-1])
    if matrix.shape != wanted:
        raise InputError(
            f"the vectors have shape {matrix.shape}, but {wanted if names else ('any', dim)} is "
            f"needed; embed with the index's own bundle"
        )
    norms = np.linalg.norm(matrix, axis=1)
    wrong = np.flatnonzero(~(np.abs(norms - 1) <= _NORM_TOLERANCE))  # so that NaN is wrong, too
    if wrong.size:
        first = names[wrong[0]] if names else f"row {wrong[0]}"
        raise InputError(
            f"{wrong.size} of {len(matrix)} vectors are not unit vectors, first {first} "
            f"with norm {norms[wrong[0]]:.6g}; normalise them"
        )
    return matrix
