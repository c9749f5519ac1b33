"""Replacing the generation that is current, in one commit.

A writer, who holds the lock, puts the files of the next generation beside it, replaces the
manifest, which is the commit, and only then deletes the old.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zscr.artefact import dump_json, read_manifest, staged, write_manifest
from zscr.blocks import BLOCK
from zscr.disk import disk_faults
from zscr.errors import ArtefactError, InputError
from zscr.infer.index.column import Column
from zscr.infer.index.current import Current
from zscr.infer.index.fields import FIELDS
from zscr.infer.index.files import open_segment, remove_leftovers, segment_file, write_files
from zscr.infer.index.generation import Generation
from zscr.infer.index.hnsw import Hnsw
from zscr.infer.index.hnsw_of import build_hnsw, loader
from zscr.infer.index.manifest import KIND, body
from zscr.infer.index.segment import Segment
from zscr.infer.index.stack import Stack
from zscr.strict_json import parse_json

_OLD = 5  # a fifth of what HNSW has is no longer there


def make_current(folder: Path, first: Generation) -> Current:
    """Make the folder of an index, which must not exist yet, with its first generation.

    Raises:
        ArtefactError: `folder` exists already, or the disk is full.
        InputError: it could not be read again.
    """
    with staged(folder, KIND) as stage:
        write_files(stage.folder, first, None, {})
        stage.body |= _readable(first, folder)
    return _committed(folder, first)


def refuse_if_stale(current: Current) -> None:
    """Prove that no other writer has committed since `current` was read.

    Raises:
        ArtefactError: one has.
    """
    on_disk = read_manifest(current.folder, KIND, FIELDS)
    if on_disk.sha256 != current.manifest.sha256:
        raise ArtefactError(
            f"{current.folder} is at generation {on_disk.body.get('generation')} by another "
            f"writer, this one read generation {current.generation.number}; open it again and "
            f"repeat the change"
        )


def grow_hnsw(current: Current, stack: Stack, *, threads: int) -> Hnsw:
    """Return HNSW over all rows of a stack: the one on the disk with those that it lacks.

    The one in memory goes on serving searches as it is. Without any, where the file is no HNSW of
    these vectors, or where a fifth of what it has is no longer there, a new one is built.

    Raises:
        ArtefactError: the file was damaged after it was opened.
    """
    before = current.generation
    rows = np.arange(stack.count)
    labels = stack.labels(rows)
    hnsw = None
    if before.hnsw is not None:
        hnsw = loader(current.folder, current.manifest, before.stack)()
    if hnsw is None or _OLD * np.count_nonzero(stack.rows_of_labels(hnsw.labels) < 0) > len(labels):
        return build_hnsw(stack, threads=threads)
    late = np.flatnonzero(~np.isin(labels, hnsw.labels))
    if late.size:
        hnsw.add(Column(stack, "vectors").part(late), labels[late], threads=threads)
    return hnsw


def tidy(current: Current) -> None:
    """Delete what a writer that was killed has left; for the holder of the lock."""
    remove_leftovers(current.folder, current.manifest)


def commit(current: Current, following: Generation, *, lost: int) -> Current:
    """Write what is new, replace the manifest, delete what the manifest does not name.

    Only the holder of the writer's lock may call it.

    Args:
        current: what is replaced; following: by what.
        lost: how many fewer images there are to be, less than none if there are more.

    Raises:
        ArtefactError: the disk is full, or other images would be lost; what was current still is.
        InputError: it could not be read again; what was current still is.
    """
    folder = current.folder
    _require_count(current, following, lost)
    fields = _readable(following, folder)
    with disk_faults(folder):
        try:
            remove_leftovers(folder, current.manifest)
            known = current.manifest.files
            files = write_files(folder, following, current.generation, known)
            refuse_if_stale(current)  # a network disk's writers do not see each other's locks
            write_manifest(folder, KIND, files, fields)
        finally:  # the manifest on the disk says which generation lives, whatever has happened
            remove_leftovers(folder, read_manifest(folder, KIND, FIELDS))
    return _committed(folder, following)


def _committed(folder: Path, now: Generation) -> Current:
    """Return a generation that was written, with its large segments in their files, not in memory.

    Raises:
        ArtefactError: a file is not what was written.
    """
    manifest = read_manifest(folder, KIND, FIELDS)
    about = {row["number"]: row for row in manifest.body["segments"]}

    def placed(one: Segment) -> Segment:
        large = manifest.files[segment_file(one.number)]["bytes"] > BLOCK
        fresh = large and one.file is None
        return open_segment(folder, manifest, about[one.number]) if fresh else one

    segments = tuple(map(placed, now.stack.segments))
    return Current(folder, manifest, replace(now, stack=Stack(segments, now.stack.ended)))


def _require_count(current: Current, following: Generation, lost: int) -> None:
    before, after = current.generation.count, following.count
    if before - after != lost:
        raise ArtefactError(
            f"{current.folder} has {before} images and would have {after}, where {lost} were to "
            f"go; nothing is changed: run 'zscr index verify {current.folder}'"
        )


def _readable(generation: Generation, folder: Path) -> dict[str, Any]:
    """Return the manifest's fields, once the check that readers make has passed them.

    Raises:
        InputError: no reader would take them: committed, they would end the index.
    """
    fields = body(generation, folder)
    try:
        FIELDS(parse_json(dump_json(fields)), "")
    except ValueError as error:
        raise InputError(f"{folder} cannot hold this: {error}; nothing is changed") from error
    return fields
