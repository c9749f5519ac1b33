"""Files of a hub that this machine has already: from other snapshots, or the library's cache."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zscr.disk import disk_faults
from zscr.train.hub.fetch import is_sound
from zscr.train.hub.listing import HubFile
from zscr.train.hub.name import ModelName

_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES}


def take_at_hand(library: Any, name: ModelName, file: HubFile, path: Path) -> bool:
    """Let `path` be a file that is on this machine already; return whether there is one.

    Others write to the library's cache, and it holds what came, checked by its size alone: a file
    of it is taken if it has the hash that the hub lists.
    """
    for found in _places(library, name, file):
        if found.is_file() and found.stat().st_size == file.size and is_sound(found, file):
            path.unlink(missing_ok=True)
            link_or_copy(found, path)
            return True
    return False


def link_or_copy(source: Path, path: Path) -> None:
    """Give a file a second name; a second place on the disk where that cannot be."""
    with disk_faults(path):
        try:
            os.link(os.path.realpath(source), path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shutil.copyfile(source, path)


def _places(library: Any, name: ModelName, file: HubFile) -> Iterator[Path]:
    for files in sorted(name.folder.glob("*/*@*")):  # of other snapshots: see `inner_name`
        yield files / file.name
    cache = Path(os.environ.get("HF_HUB_CACHE") or library.constants.HF_HUB_CACHE)
    yield cache / f"models--{name.repository.replace('/', '--')}" / "blobs" / file.digest
