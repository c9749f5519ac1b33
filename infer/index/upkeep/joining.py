"""Several indexes of one space that become one, such as those that jobs of an array have made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zscr.data.listing import Skipped
from zscr.errors import InputError, MismatchError
from zscr.infer.index.column import Column
from zscr.infer.index.committing import make_current
from zscr.infer.index.entries import Entries
from zscr.infer.index.generation import Generation
from zscr.infer.index.hnsw_of import build_hnsw
from zscr.infer.index.index import Index
from zscr.infer.index.rewriting import rebuild
from zscr.infer.index.roots import Root
from zscr.infer.index.segment import Segment, new_segment
from zscr.infer.index.stack import NOTHING, Stack


@dataclass(frozen=True)
class Joined:
    """What became of several indexes: the one, and how many images several of them had."""

    index: Index
    twice: int


def join(folder: Path, sources: Sequence[Path], *, threads: int = 1) -> Joined:
    """Make the index `folder`, which must not exist yet, of all that other indexes hold.

    Nothing is embedded. An image that several have under the same id, with the same entry and
    vector, is there once. Search is chosen anew.

    Args:
        folder: to be made.
        sources: folders of indexes; the rows of the first come first.
        threads: for building HNSW.

    Raises:
        InputError: fewer than two, two have other images under one id, another folder under one
            name, or only some have features; they are diffused.
        MismatchError: they are of different spaces or precisions, or stored as different types.
        ArtefactError: one is damaged, or `folder` exists.
    """
    if len(sources) < 2:
        raise InputError(f"{len(sources)} index makes no other; name two or more to be merged")
    indexes = [Index.open(source) for source in sources]
    for other in indexes[1:]:
        _require_alike(indexes[0], other)
    first, roots = indexes[0].now, _roots(indexes)
    stack, twice = Stack(), 0
    for number, index in enumerate(indexes, 1):
        segment = _segment(number, index.now, Entries(stack, roots), stack)
        twice += index.count - segment.count
        stack = stack.with_segment(segment)
    begun = replace(
        first,
        number=0,
        stack=stack,
        hnsw=None,
        errors=_errors(indexes),
        roots=roots,
        next_label=stack.count,
        next_segment=len(indexes) + 1,
    )
    made = rebuild(begun, lambda rows: build_hnsw(rows, threads=threads))
    return Joined(Index(make_current(folder, made)), twice)


def _segment(number: int, now: Generation, held: Entries, stack: Stack) -> Segment:
    """Return those rows of an index that are not held already, with labels of their own.

    Raises:
        InputError: another image is held under the id of one.
    """
    entries = [*now.entries]
    known = held.find([entry.id for entry in entries])
    both = [row for row, entry in enumerate(entries) if entry.id in known]
    there = [known[entries[row].id] for row in both]
    if both:
        same = (Column(stack, "vectors")[there] == now.vectors[both]).all(axis=1)
        for row, other, equal in zip(both, held.of(there), same, strict=True):
            if entries[row] != other or not equal:
                raise InputError(
                    f"two of the indexes have other images under the id {other.id}; remove one of "
                    f"them with 'zscr index remove'"
                )
    rows = np.setdiff1d(np.arange(len(entries)), both)
    return new_segment(
        number,
        stack.count + np.arange(len(rows)),
        {name: Column(now.stack, name)[rows] for name in sorted(now.stack.names)},
        now.stack.lines(rows),
        now.stack.keys(rows),
        NOTHING,
    )


def _require_alike(one: Index, other: Index) -> None:
    if one.space != other.space:
        raise MismatchError(
            f"{other.folder} is in the space {other.space}, made by the bundle "
            f"{other.bundle_name}, and {one.folder} in {one.space}; merge indexes of one bundle"
        )
    if one.precision != other.precision:
        raise MismatchError(
            f"the vectors of {one.folder} were computed in {one.precision}, those of "
            f"{other.folder} in {other.precision}; merge indexes of one precision"
        )
    stored = [index.now.stored for index in (one, other)]
    if stored[0] != stored[1]:
        raise MismatchError(
            f"{one.folder} stores {stored[0]}, {other.folder} {stored[1]}; run 'zscr index rebuild "
            f"{other.folder} --store {stored[0]}'"
        )
    names = [index.now.stack.names for index in (one, other)]
    if names[0] != names[1] or "raw" in names[0]:
        raise InputError(
            f"{one.folder} holds {', '.join(sorted(names[0]))}, {other.folder} "
            f"{', '.join(sorted(names[1]))}; merge indexes that hold the same, and are not "
            f"diffused"
        )


def _roots(indexes: Sequence[Index]) -> tuple[Root, ...]:
    """Return the folders of all.

    Raises:
        InputError: two are called the same.
    """
    found: dict[str, Root] = {}
    for index in indexes:
        for root in index.roots:
            other = found.setdefault(root.name, root)
            if other.path != root.path:
                raise InputError(
                    f"{other.path} and {root.path} are both called {root.name} in their indexes; "
                    f"'zscr index relocate' tells one where it lies"
                )
    return tuple(found.values())


def _errors(indexes: Sequence[Index]) -> tuple[Skipped, ...]:
    """Return the skipped images of all, each with the reason that comes first."""
    found: dict[str, Skipped] = {}
    for index in indexes:
        for row in index.errors:
            found.setdefault(row["image"], row)
    return tuple(found.values())
