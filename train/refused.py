"""Runs whose method refuses to begin: nothing of them stays, as going on would be refused, too."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zscr.disk import remove_or_tell
from zscr.errors import CollectionError, ConfigError, InputError
from zscr.train.latest import LATEST, latest_beside, point_latest
from zscr.train.run import Run


@contextmanager
def unless_refused(run: Run, before: Path | None) -> Iterator[None]:
    """Remove a run that is refused before its first checkpoint; its place is free again.

    Args:
        run: just made; before: what the link `latest` pointed at, if there was one.
    """
    try:
        yield
    except (CollectionError, ConfigError, InputError):
        if run.writes and not run.begun:
            if latest_beside(run.folder) == run.folder:
                remove_or_tell(run.folder.with_name(LATEST))
                if before:
                    point_latest(before)
            shutil.rmtree(run.folder, ignore_errors=True)
        raise
