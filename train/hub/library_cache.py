"""huggingface_hub's own cache: links whose targets are named by the hashes that a hub told."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zscr.train.hub.listing import HubFile, Listing
from zscr.train.hub.name import ModelName

_DIGEST = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


def library_folder(library: Any, name: ModelName) -> Path:
    """Return where the library keeps a model, if it has ever fetched it."""
    cache = Path(os.environ.get("HF_HUB_CACHE") or library.constants.HF_HUB_CACHE)
    return cache / f"models--{name.repository.replace('/', '--')}"


def library_listing(library: Any, name: ModelName) -> Listing | None:
    """Return what the library has of a revision of a model, which need not be all; or None."""
    folder = library_folder(library, name)
    ref = folder / "refs" / name.revision
    if not name.is_commit and not ref.is_file():
        return None
    commit = name.revision if name.is_commit else ref.read_text("utf-8").strip()
    if not ModelName(name.repository, commit).is_commit:
        return None
    files = {file.name: file for file in _files(folder / "snapshots" / commit)}
    return Listing(name.repository, commit, None, files) if files else None


def _files(folder: Path) -> Iterator[HubFile]:
    for path in folder.rglob("*"):
        digest = Path(os.readlink(path)).name if path.is_symlink() else ""
        if path.is_file() and _DIGEST.fullmatch(digest):
            large = len(digest) == 64
            name, size = path.relative_to(folder).as_posix(), path.stat().st_size
            yield HubFile(name, size, digest if large else None, None if large else digest)
