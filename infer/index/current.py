"""The generation that is current: read as a whole, and replaced in one commit.

Current is what `manifest.json` names. A writer, who holds the lock, puts the files of the next
generation beside it, replaces the manifest, which is the commit, and only then deletes the old.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.artefact import (
    Manifest,
    dump_json,
    file_entry,
    read_manifest,
    staged,
    write_manifest,
)
from zscr.disk import disk_faults
from zscr.errors import ArtefactError, InputError
from zscr.infer.index.exact import Rows, Vectors
from zscr.infer.index.fields import FIELDS
from zscr.infer.index.generation import (
    KIND,
    Generation,
    body,
    load_hnsw,
    read_generation,
    remove_leftovers,
    write_files,
)
from zscr.infer.index.hnsw import Hnsw
from zscr.strict_json import parse_json


@dataclass(frozen=True, eq=False)
class Current:
    """A generation as it was current in a folder, and the manifest that said so."""

    folder: Path
    manifest: Manifest
    generation: Generation


def make_current(folder: Path, first: Generation) -> Current:
    """Make the folder of an index, which must not exist yet, with its first generation.

    Raises:
        ArtefactError: `folder` exists already, or the disk is full.
        InputError: it could not be read again.
    """
    with staged(folder, KIND) as stage:
        write_files(stage.folder, first)
        stage.body |= _readable(first, folder)
    return Current(folder, read_manifest(folder, KIND, FIELDS), first)


def read_current(folder: Path) -> Current:
    """Read the current generation, every file of it checked before it is parsed.

    Raises:
        ArtefactError: the folder is not an index, or a file is missing or damaged.
    """
    manifest = read_manifest(folder, KIND, FIELDS)
    while True:
        try:
            return Current(folder, manifest, read_generation(folder, manifest))
        except (ArtefactError, FileNotFoundError):
            # A writer may have committed and deleted these files while they were being read.
            newer = read_manifest(folder, KIND, FIELDS)
            if newer.sha256 == manifest.sha256:
                raise
            manifest = newer


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


def grow_hnsw(current: Current, vectors: Vectors, changed: Rows, *, threads: int) -> Hnsw:
    """Return HNSW over `vectors` (N, D): the one on the disk with the `changed` rows in it.

    The one in memory goes on serving searches as it is. Without any, where all rows have changed,
    as after a removal, or where the file is no graph of these vectors, a new one is built: its
    labels are the rows' numbers.

    Raises:
        ArtefactError: the file was damaged after it was read.
    """
    before = current.generation
    if before.hnsw is None or len(changed) == len(vectors):
        return Hnsw.build(vectors, threads=threads)
    room = len(vectors) - len(before.entries)
    hnsw = load_hnsw(current.folder, current.manifest, before.number, before.vectors, room=room)
    if hnsw is None:
        return Hnsw.build(vectors, threads=threads)
    if changed.size:
        hnsw.update(vectors, changed, threads=threads)
    return hnsw


def tidy(current: Current) -> None:
    """Delete what a writer that was killed has left; for the holder of the lock."""
    remove_leftovers(current.folder, current.manifest)


def commit(current: Current, following: Generation) -> Current:
    """Write the files, replace the manifest, delete what the manifest does not name.

    Only the holder of the writer's lock may call it.

    Raises:
        ArtefactError: the disk is full; what was current still is.
        InputError: it could not be read again; what was current still is.
    """
    folder = current.folder
    fields = _readable(following, folder)
    with disk_faults(folder):
        try:
            remove_leftovers(folder, current.manifest)
            names = write_files(folder, following)
            files = {name: file_entry(folder / name) for name in names}
            refuse_if_stale(current)  # a network disk's writers do not see each other's locks
            write_manifest(folder, KIND, files, fields)
        finally:  # the manifest on the disk says which generation lives, whatever has happened
            manifest = read_manifest(folder, KIND, FIELDS)
            remove_leftovers(folder, manifest)
    return Current(folder, manifest, following)


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
