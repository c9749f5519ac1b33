"""From what the user names to a model's files: a folder here, one in `$ZSCR_DATA`, or a hub's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zscr.errors import ConfigError
from zscr.train.hub.kept import Snapshot
from zscr.train.hub.snapshot import DESCRIPTIONS, WEIGHTS, snapshot


@dataclass(frozen=True)
class Checkpoint:
    """A model's files, wherever they came from.

    Attributes:
        path: a folder, or a ZIP of one.
        name: short, for files and messages.
        snapshot: what is known of files of a hub; None of others.
    """

    path: Path
    name: str
    snapshot: Snapshot | None = None


def find_checkpoint(
    name: str,
    *,
    patterns: Sequence[str] = DESCRIPTIONS,
    weights: Sequence[str] = WEIGHTS,
    offline: bool | None = None,
) -> Checkpoint:
    """Return the first that is called `name`: a path, something in `$ZSCR_DATA`, a hub's model.

    Args:
        name: a folder, a ZIP, a graph in a folder, the name of a folder or ZIP in `$ZSCR_DATA`, or
            a repository on a hub, perhaps with `@revision`.
        patterns, weights, offline: of what is fetched from a hub; see `snapshot`.

    Raises:
        ConfigError: nothing of that name is here or can be had.
        ArtefactError: what a hub sent is damaged, or the disk refuses.
        MissingExtraError: it would have to be asked for, and huggingface_hub is not installed.
    """
    if path := found_here(name):
        whole = Path(os.path.abspath(name))  # "." has no name of its own
        return Checkpoint(path, whole.stem if whole.suffix in (".onnx", ".zip") else whole.name)
    try:
        found = snapshot(name, patterns=patterns, weights=weights, offline=offline)
    except ConfigError as error:
        raise ConfigError(
            f"no encoder '{name}': it is no folder here or in ZSCR_DATA, and {error}; or give the "
            f"path of a folder"
        ) from error
    return Checkpoint(found.folder, found.name.rpartition("/")[2], found)


def found_here(name: str) -> Path | None:
    """Return the folder or ZIP that is called `name`: a path, or something in `$ZSCR_DATA`."""
    named, data = Path(name), Path(os.environ.get("ZSCR_DATA", "."))
    here = named.parent if named.suffix == ".onnx" and named.is_file() else named
    places = (here, data / name, data / f"{name}.zip") if name else ()  # not the folder one is in
    return next((path for path in places if path.exists()), None)
