"""Where an artefact's sources lie, remembered so that a project can be moved or copied whole."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from zscr.errors import ArtefactError


def remember(path: Path, folder: Path) -> dict[str, str]:
    """Return what the artefact `folder` keeps of a source: its `path`, and the way to it."""
    there = path.resolve()
    return {"path": str(there), "relative": os.path.relpath(there, folder.resolve())}


def find_remembered(what: str, place: Mapping[str, str], folder: Path) -> Path:
    """Return where a source is now that the artefact is in `folder`.

    In a project that was moved or copied whole, the way from the artefact to it is what it was; an
    artefact that was moved alone finds it where it lay. Whether it is the same is for its hash.

    Args:
        what: it is called in the error.
        place: what `remember` returned.
        folder: of the artefact.

    Raises:
        ArtefactError: it is in neither place; names both.
    """
    beside = Path(os.path.normpath(folder.resolve() / place["relative"]))
    for path in (beside, Path(place["path"])):
        if path.exists():
            return path
    tried = " or ".join(dict.fromkeys((place["path"], str(beside))))
    raise ArtefactError(
        f"{folder} was made of the {what} {tried}, which is not there; put it back, or make it and "
        f"{folder.name} anew"
    )
