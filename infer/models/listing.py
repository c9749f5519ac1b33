"""The list of models: those that are here, sound or not, and those that can be had by name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from zscr.artefact import kind_of
from zscr.errors import ArtefactError, ConfigError
from zscr.infer.engines.cache import SUFFIX
from zscr.infer.models.comparison import compared
from zscr.infer.models.installed import chosen_model, inside, models_folder
from zscr.infer.models.known import KNOWN
from zscr.infer.models.listed import Kind, Listed, listed_bundle, listed_name
from zscr.progress import say

BUNDLES = Path("bundles")
_BESIDE = "index"  # the kind of what stands beside bundles and is none


def list_models() -> list[Listed]:
    """List the user's models, the bundles of this folder, and those that can be had by name.

    A folder that is no sound bundle is in the list with the reason.
    """
    chosen = _chosen()
    here = os.path.realpath(chosen) if chosen else None
    rows = [
        listed_bundle(path, name, kind, chosen=os.path.realpath(path) == here)
        for path, name, kind in _folders(chosen)
    ]
    return [*compared(rows), *map(listed_name, KNOWN)]


def sound_folders(rows: Sequence[Listed]) -> list[Path]:
    """Return the folders of the bundles of a list that can be used."""
    return [Path(row.folder) for row in rows if row.folder and row.fault is None]


def _folders(chosen: Path | None) -> Iterator[tuple[Path, str, Kind]]:
    """Yield what may be a bundle, with its name: the user's, this folder's, the chosen one."""
    own = [path for path in inside(models_folder()) if not path.name.endswith(SUFFIX)]
    yield from ((path, path.name, "installed") for path in own)
    project = [path for path in inside(BUNDLES) if not _is_beside(path)]
    yield from ((path, str(path), "bundle") for path in project)
    if chosen and os.path.realpath(chosen) not in map(os.path.realpath, (*own, *project)):
        yield chosen, str(chosen), "bundle"


def _is_beside(path: Path) -> bool:
    """Say whether a folder is an index or engines of a bundle, or a link to one of the others."""
    if path.name.endswith(SUFFIX):
        return True
    if path.is_symlink() and path.resolve().parent == BUNDLES.resolve() and path.exists():
        return True
    try:
        return kind_of(path) == _BESIDE
    except ArtefactError:
        return False


def _chosen() -> Path | None:
    try:
        return chosen_model()
    except (ArtefactError, ConfigError) as error:  # one that is damaged is in the list, too
        say(str(error))
        return None
