"""Where what a user has made for all of their folders is kept: `$ZSCR_HOME`.

Unlike what is in the cache, it is not made again by itself: models, and indexes of folders.
"""

from __future__ import annotations

import os
from pathlib import Path

from zscr.errors import ConfigError

VARIABLE = "ZSCR_HOME"


def home_folder() -> Path:
    """Return `$ZSCR_HOME`; without it `$XDG_DATA_HOME/zscr`, or `~/.local/share/zscr`.

    Raises:
        ConfigError: there is none of them, as for a user of a container who is in no list of users.
    """
    if named := os.environ.get(VARIABLE):
        return Path(named)
    if data := os.environ.get("XDG_DATA_HOME"):
        return Path(data) / "zscr"
    try:
        return Path.home() / ".local" / "share" / "zscr"
    except RuntimeError as error:
        raise ConfigError(
            f"there is no home folder to keep models in; set {VARIABLE} to a folder that may be "
            f"written to"
        ) from error
