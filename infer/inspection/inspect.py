"""Finds out what a path is, and has it told of."""

from __future__ import annotations

from pathlib import Path

from zscr.artefact import MANIFEST, kind_of
from zscr.errors import InputError
from zscr.infer.inspection.artefacts import DESCRIBE, inspect_artefact
from zscr.infer.inspection.files import inspect_cache, inspect_file
from zscr.infer.inspection.inspected import Inspected


def inspect_path(path: Path, *, hashed: bool = False) -> Inspected:
    """Say what a file or folder is.

    Args:
        path: of it; of a manifest, its folder is meant.
        hashed: whether the hash of every file of an artefact is compared with its manifest.

    Raises:
        InputError: there is nothing, or nothing that can be told of.
        ArtefactError: the manifest is damaged, or of an unknown kind.
    """
    if not path.exists():
        raise InputError(f"there is no {path}; name an artefact's folder, or a file of one")
    folder = path.parent if path.name == MANIFEST else path
    if not folder.is_dir():
        return inspect_file(path)
    if kind := kind_of(folder):
        return inspect_artefact(folder, kind, hashed=hashed)
    if found := inspect_cache(folder):
        return found
    raise InputError(
        f"{folder} has no {MANIFEST}, so it is no {', '.join([*DESCRIBE][:-1])} or "
        f"{[*DESCRIBE][-1]}; name the folder of one"
    )
