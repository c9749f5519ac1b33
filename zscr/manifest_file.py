"""The file of a manifest, and the files that it lists, before any of its fields is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zscr.errors import ArtefactError
from zscr.names import name_fault
from zscr.regular import open_regular
from zscr.schema import SHA256, integer, record

_LIMIT = 64 << 20  # bytes; a manifest lists names and hashes, never data
_ENTRY = record({"sha256": SHA256, "bytes": integer(0, 1 << 60)})  # of one file


def read_limited(path: Path) -> bytes:
    """Return the bytes of a manifest.

    Raises:
        ArtefactError: there are over 64 MiB of them.
    """
    with open_regular(path) as file:
        raw = file.read(_LIMIT + 1)
    if len(raw) > _LIMIT:
        raise ArtefactError(f"{path} is over {_LIMIT} bytes, which no manifest has")
    return raw


def check_files(files: Any) -> None:
    """Prove that a manifest's files lie in its folder, and have a size and a hash.

    Raises:
        ValueError: names the file.
    """
    if not isinstance(files, dict):
        raise ValueError("files is not an object")
    for name, entry in files.items():
        if fault := name_fault(name):
            raise ValueError(f"the file name {name!a:.80} {fault}")
        _ENTRY(entry, name)
