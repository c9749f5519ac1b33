"""Images of a folder that anyone may have filled: found, told of, and copied as they are."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from zscr.data.draft import Draft
from zscr.data.images import fault
from zscr.data.names import written
from zscr.data.walk import Walk, WalkRules, passed_over, walk
from zscr.errors import InputError
from zscr.names import name_fault
from zscr.printable import printable
from zscr.progress import say


def walk_source(source: Path, rules: WalkRules, lists: Iterable[str]) -> Walk:
    """Find the images of a source folder, and say what was passed over.

    Args:
        source: the folder; rules: which part of it is looked at.
        lists: text files at its top that are read, and so not passed over.

    Raises:
        InputError: it is no folder.
    """
    if not source.is_dir():
        raise InputError(f"{source} is not a folder; name one that holds images")
    walked = walk(source, rules)
    walked.passed["*.txt"] -= sum((source / name).is_file() for name in lists)
    walked.passed = +walked.passed
    if there := passed_over(walked.passed):
        say(f"passed over in {source}: {there}")
    return walked


def refuse_inside(source: Path, out: Path) -> None:
    """Refuse to make a collection among the images that it is made of."""
    if out.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{out} lies inside {source}, whose images it copies; make it elsewhere")


def copy_image(draft: Draft, source: Path, path: Path) -> str | None:
    """Copy `source/path` to `images/path` of a collection, or record why it cannot be used.

    Returns:
        Its name in the collection, `images/<path>`; None where it was skipped.
    """
    name = written(path)
    if reason := _fault(source, path):
        draft.skip(name, reason)
        return None
    file = draft.folder / "images" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / path, file)
    return f"images/{name}"


def _fault(source: Path, path: Path) -> str | None:
    """Return why an image cannot be used, or None."""
    if written(path) != path.as_posix():
        return "its name is not UTF-8"
    if reason := name_fault(f"images/{path.as_posix()}"):  # no collection could be read with it
        return f"its name {reason}; rename it"
    return fault(source / path)


def name_of(source: Path) -> str:
    """Return the name of a collection that is made of a folder."""
    return printable(written(Path(source.resolve().name)))


def origin(source: Path) -> dict[str, str]:
    """Return where `source` lies and a hash of the names, sizes and times of all its files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in source.rglob("*") if path.is_file()):
        stat = path.stat()
        row = (os.fsencode(path.relative_to(source)), stat.st_size, stat.st_mtime_ns)
        digest.update(repr(row).encode())
    return {"source": written(source.resolve()), "fingerprint": digest.hexdigest()}
