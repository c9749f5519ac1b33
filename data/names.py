"""Names of files as texts: Unicode in one form, and bytes that are no UTF-8 shown as escapes."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePath


def nfc(text: str) -> str:
    """Return a text in Unicode's composed form: macOS, Windows and people write names otherwise."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def written(path: PurePath) -> str:
    """Return a path as text that UTF-8 can hold; bytes that are not UTF-8 are shown as escapes."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def is_utf8(path: Path) -> bool:
    """Say whether a path can be kept in a file of JSON as it is."""
    return str(path).isascii() or written(path) == path.as_posix()


def found_as_written(path: Path) -> Path:
    """Return a path as it is on the disk, where its name there has another form of Unicode.

    A name that is there as it is written stands for itself, and so does one that is not there.
    """
    if str(path).isascii() or os.path.lexists(path):
        return path
    parent = found_as_written(path.parent)
    try:
        alike = [name for name in os.listdir(parent) if nfc(name) == nfc(path.name)]
    except OSError:
        return path
    return parent / min(alike) if alike else path
