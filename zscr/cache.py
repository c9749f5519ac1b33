"""Where what can be made again is kept for all projects of a user: `$ZSCR_CACHE`."""

from __future__ import annotations

import os
from pathlib import Path

from zscr.disk import require_writable
from zscr.errors import ArtefactError, ConfigError

VARIABLE = "ZSCR_CACHE"


def cache_folder() -> Path:
    """Return `$ZSCR_CACHE`, or `~/.cache/zscr` without it.

    Raises:
        ConfigError: there is neither, as for a user of a container who is in no list of users.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    try:
        return Path.home() / ".cache" / "zscr"
    except RuntimeError as error:
        raise ConfigError(
            f"there is no home folder to cache models in; set {VARIABLE} to a folder that may be "
            f"written to"
        ) from error


def require_room(path: Path) -> None:
    """Prove that `path` can be made in the cache.

    Raises:
        ConfigError: it may not be written to.
    """
    try:
        require_writable(path)
    except ArtefactError as error:
        raise ConfigError(f"{error}; {VARIABLE} names the folder of the cache") from error
