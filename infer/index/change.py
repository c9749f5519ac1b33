"""What is to be changed in an index, and the generation that the index becomes by it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer.index.choice import choose, sample
from zscr.infer.index.entry import Entry, Skipped, check_entries
from zscr.infer.index.exact import Rows, Vectors
from zscr.infer.index.generation import Generation
from zscr.infer.index.hnsw import Hnsw

_NORM_TOLERANCE = 1e-3  # what an fp16 or int8 graph may be off by


@dataclass(frozen=True, eq=False)
class Change:
    """Images to add or to replace by id, and what was learnt while they were embedded.

    Attributes:
        upserts: the images, each id once.
        vectors: their unit embeddings (U, D), in the order of `upserts`; None if there are none.
        queries: unit embeddings (Q, D) of the query modality, of which a sample is kept to measure
            the search on; None leaves the sample that there is.
        errors: a row per skipped image, such as `{"image": path, "reason": why}`.
    """

    upserts: Sequence[Entry] = ()
    vectors: npt.ArrayLike | None = None
    queries: npt.ArrayLike | None = None
    errors: Sequence[Skipped] = ()


@dataclass(frozen=True, eq=False)
class Merged:
    """A gallery with a change in it. `changed` are the rows of `vectors` (N, D) that are other."""

    entries: tuple[Entry, ...]
    vectors: Vectors
    changed: Rows
    queries: Vectors | None
    errors: tuple[Skipped, ...]
    added: int
    replaced: int
    unchanged: int

    def differs(self, before: Generation) -> bool:
        """Say whether there is anything to commit after the generation that it came from."""
        learnt = self.queries is not before.queries or self.errors != before.errors
        return learnt or self.changed.size > 0


def merge(before: Generation, change: Change) -> Merged:
    """Check a change and merge it into a generation, in memory.

    A known id keeps its row: it is unchanged if all of its entry is equal, else replaced. New ids
    are appended in the order in which they arrive.

    Raises:
        InputError: an id twice or empty, or a vector of another dim or not of norm 1.
    """
    check_entries(change.upserts)
    dim = before.dim or None  # an index in the making takes what comes
    given = np.empty((0, before.dim)) if change.vectors is None else change.vectors
    arrived = check_vectors(given, dim, [entry.id for entry in change.upserts])
    entries, rows, sources = _placed(before.entries, change.upserts)
    vectors = np.empty((len(entries), arrived.shape[1]), np.float32)
    if before.entries:
        vectors[: len(before.entries)] = before.vectors
    vectors[rows] = arrived[sources]
    added = len(entries) - len(before.entries)
    return Merged(
        entries=entries,
        vectors=vectors,
        changed=np.array(rows, np.int64),
        queries=_asked(before, change.queries, arrived.shape[1]),
        errors=_known_errors(before.errors, change),
        added=added,
        replaced=len(rows) - added,
        unchanged=len(change.upserts) - len(rows),
    )


def next_generation(before: Generation, merged: Merged, build: Callable[[], Hnsw]) -> Generation:
    """Return the generation after `before`: the merged gallery, and how to search it from now on.

    `build` builds or extends HNSW over `merged.vectors`; it is called only if it is needed.
    """
    choice, hnsw = choose(merged.vectors, merged.queries, build, before.choice)
    return replace(
        before,
        number=before.number + 1,
        entries=merged.entries,
        vectors=merged.vectors,
        choice=choice,
        hnsw=hnsw,
        queries=merged.queries,
        errors=merged.errors,
    )


def _placed(
    entries: tuple[Entry, ...], arrived: Sequence[Entry]
) -> tuple[tuple[Entry, ...], list[int], list[int]]:
    """Return all entries, the rows that change, and which of `arrived` each of these gets."""
    placed, row_of = list(entries), {entry.id: row for row, entry in enumerate(entries)}
    rows, sources = [], []
    for source, entry in enumerate(arrived):
        row = row_of.get(entry.id, len(placed))
        if row < len(entries) and placed[row] == entry:
            continue
        placed[row : row + 1] = [entry]
        rows.append(row)
        sources.append(source)
    return tuple(placed), rows, sources


def _asked(before: Generation, queries: npt.ArrayLike | None, dim: int) -> Vectors | None:
    """Return the queries to measure on: a sample of the new ones, else those that were kept."""
    if queries is None:
        return before.queries
    asked = check_vectors(queries, dim)
    return sample(asked) if len(asked) else before.queries


def _known_errors(before: tuple[Skipped, ...], change: Change) -> tuple[Skipped, ...]:
    """Return the errors of images that have not arrived since, each with its latest reason."""
    mended = {entry.image for entry in change.upserts if entry.image is not None}
    again = {row.get("image") for row in change.errors if row not in before}
    known = [row for row in before if row.get("image") not in mended | again]
    return (*known, *(row for row in change.errors if row not in known))


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
            f"needed; embed with a bundle of its space"
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
