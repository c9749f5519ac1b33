"""What converters share: where a source keeps its files, and what a collection remembers of it."""

from __future__ import annotations

from pathlib import Path

from zscr.artefact import hash_file
from zscr.errors import InputError


def described(source: Path) -> dict[str, str | None]:
    """Return a source's name, and its sha256 if it is one file."""
    return {"source": source.name, "sha256": hash_file(source) if source.is_file() else None}


def find_root(source: Path, folder: Path, name: str) -> Path:
    """Return the one folder at or below `folder`, where `source` is opened, that holds a file.

    Raises:
        InputError: no folder has it, or several.
    """
    found = sorted(path.parent for path in folder.rglob(name))
    if len(found) != 1:
        raise InputError(f"{source} holds {name} {len(found)} times, not once")
    return found[0]


def read_lines(path: Path) -> list[str]:
    """Return the lines of a list file that are not blank, without the space around them.

    Raises:
        InputError: the file is missing or not UTF-8.
    """
    return [line for _, line in numbered_lines(path)]


def numbered_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of `read_lines`, whose errors it raises, with their numbers in the file."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; name the whole published folder")
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 ({error}); fetch it again") from error
    return [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
