"""The file of a manifest, and the files that it lists, before any of its fields is believed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zscr.errors import ArtefactError, InputError
from zscr.names import name_fault
from zscr.regular import read_regular
from zscr.schema import SHA256, integer, record

_LIMIT = 256 << 20  # bytes; it lists names and hashes, never data: of 750,000 images 130 MiB
_ENTRY = record({"sha256": SHA256, "bytes": integer(0, 1 << 60)})  # of one file


def read_limited(path: Path) -> bytes:
    """Return the bytes of a manifest.

    Raises:
        ArtefactError: there are over 256 MiB of them, or it is no regular file.
    """
    try:
        return read_regular(path, _LIMIT, "manifest")
    except InputError as error:
        raise ArtefactError(str(error)) from error


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
