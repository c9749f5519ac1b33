"""Frozen encoders that are made once and kept in the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from zscr.artefact import made_once
from zscr.cache import cache_folder, require_room


def kept_encoder(name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder of an encoder in the cache; `make` makes it if it is not there yet.

    Raises:
        ConfigError: the cache may not be written to; told before anything is made.
    """
    path = cache_folder() / "encoders" / name
    if not path.exists():
        require_room(path)
    return made_once(path, make)
