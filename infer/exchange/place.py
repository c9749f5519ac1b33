"""A file or folder that another library writes: beside its place, synced, and renamed last."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zscr.disk import disk_faults, fsync, new_parents, require_writable
from zscr.partial import partial_folder

_LOCK = "lock"


@contextmanager
def new_place(path: Path) -> Iterator[Path]:
    """Yield a path in a hidden folder beside `path`; what the block makes there becomes `path`.

    Raises:
        ArtefactError: `path` exists already, or the disk is full, failing or read-only. Nothing is
            left behind.
    """
    require_writable(path, new=True)
    with disk_faults(path), new_parents(path):
        with partial_folder(path, _LOCK) as (folder, _):
            made = folder / "made"
            yield made
            sync(made)
            require_writable(path, new=True)  # a file would replace what has come to be there
            os.rename(made, path)
        fsync(path.parent)


def sync(path: Path) -> None:
    """Flush a file, or a folder with all that is in it, to the disk."""
    below = sorted(path.rglob("*"), reverse=True) if path.is_dir() else []
    for each in (*below, path):
        fsync(each)
