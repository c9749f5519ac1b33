"""Where runs and bundles go by default: numbered folders, and a link to the latest."""

from __future__ import annotations

import os
from pathlib import Path

from zscr.errors import ArtefactError


def next_folder(base: Path, name: str) -> Path:
    """Return the first free `base/<name>-<number>`."""
    taken = {p.name for p in base.glob(f"{name}-*")}
    number = next(n for n in range(1, len(taken) + 2) if f"{name}-{n:03d}" not in taken)
    return base / f"{name}-{number:03d}"


def point_latest(folder: Path) -> None:
    """Let the link `latest` beside `folder` point at it.

    Raises:
        ArtefactError: `latest` is a real folder.
    """
    link = folder.parent / "latest"
    if link.exists() and not link.is_symlink():
        raise ArtefactError(f"{link} is in the way of the link to {folder.name}; rename it")
    partial = folder.parent / f".latest.{os.getpid()}.partial"
    partial.unlink(missing_ok=True)
    partial.symlink_to(folder.name)
    os.replace(partial, link)
