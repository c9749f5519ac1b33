"""The link `latest` beside numbered runs and bundles."""

from __future__ import annotations

import os
from pathlib import Path

from zscr.disk import disk_faults, fsync
from zscr.errors import ArtefactError
from zscr.partial import partial_name

LATEST = "latest"


def point_latest(folder: Path) -> None:
    """Let the link `latest` beside `folder` point at it.

    Raises:
        ArtefactError: `latest` is a real folder, or the disk is full, failing or read-only.
    """
    link = folder.parent / LATEST
    require_link(folder)
    with disk_faults(link):
        while True:
            _remove_stale(link)
            partial = partial_name(link)
            partial.symlink_to(folder.name)
            try:
                os.replace(partial, link)
                break
            except FileNotFoundError:  # another process took it for a killed one's
                continue
            except OSError:
                partial.unlink(missing_ok=True)
                raise
        fsync(link.parent)


def latest_beside(folder: Path) -> Path | None:
    """Return the folder that the link `latest` beside `folder` points at, if there is one."""
    link = folder.parent / LATEST
    return link.with_name(os.readlink(link)) if link.is_symlink() else None


def require_link(folder: Path) -> None:
    """Prove that `latest` beside `folder` is a link or absent, before that is made.

    Raises:
        ArtefactError: it is a real folder.
    """
    link = folder.parent / LATEST
    if link.exists() and not link.is_symlink():
        raise ArtefactError(f"{link} is in the way of the link to {folder.name}; rename it")


def _remove_stale(link: Path) -> None:
    """Remove links that killed processes were about to rename; a link cannot be locked."""
    for partial in link.parent.glob(f".{LATEST}.*.partial"):
        if partial.is_symlink():
            partial.unlink(missing_ok=True)
