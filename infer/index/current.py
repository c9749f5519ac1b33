"""The generation that is current, which is what `manifest.json` names: read as a whole."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from zscr.artefact import Manifest, read_manifest
from zscr.errors import ArtefactError
from zscr.infer.index.fields import FIELDS
from zscr.infer.index.files import name_of
from zscr.infer.index.generation import Generation
from zscr.infer.index.manifest import KIND, read_generation


@dataclass(frozen=True, eq=False)
class Current:
    """A generation as it was current in a folder, and the manifest that said so."""

    folder: Path
    manifest: Manifest
    generation: Generation


def read_current(folder: Path, before: Current | None = None) -> Current:
    """Open the current generation; of its rows, what is used is proved then.

    Args:
        folder: of the index.
        before: as it was; what a later commit has left as it was is not read again.

    Raises:
        ArtefactError: the folder is not an index, or a file is missing or damaged where it was
            read.
    """
    manifest = read_manifest(folder, KIND, FIELDS)
    while True:
        held = before.generation if before and _same_index(before.manifest, manifest) else None
        try:
            return Current(folder, manifest, read_generation(folder, manifest, held))
        except (ArtefactError, FileNotFoundError):
            # A writer may have committed and deleted these files while they were being read.
            newer = read_manifest(folder, KIND, FIELDS)
            if newer.sha256 == manifest.sha256:
                raise
            manifest = newer


def with_loaded_hnsw(now: Current, before: Current) -> Current:
    """Return a generation with the HNSW that one before it has loaded, if its file is the same."""
    had, has = before.generation.hnsw, now.generation.hnsw
    if had is None or has is None or not had.is_loaded:
        return now
    same = name_of(now.manifest, "hnsw") == name_of(before.manifest, "hnsw")
    if not (same and _same_index(before.manifest, now.manifest)):
        return now
    return replace(now, generation=replace(now.generation, hnsw=had))


def _same_index(before: Manifest, after: Manifest) -> bool:
    """Say whether segments that are called the same are the same."""
    common = {*before.files} & {*after.files}
    return all(before.files[name] == after.files[name] for name in common)
