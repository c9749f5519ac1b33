"""Files and folders in the making: under a hidden name and a lock until they are whole.

The lock is on the partial file itself, of a folder on a file in it. So whoever comes next can tell
what a killed writer has left, which is removed, from what is being written at the moment, by
another container or, where the disk keeps locks between them, another host.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from zscr.disk import disk_faults, fsync
from zscr.errors import ArtefactError
from zscr.lock import NO_LOCKS, clear, held, is_named, try_lock

_LONGEST = 50  # letters of a name that are in its partial's, which may not be over 255 bytes
_TOKEN = re.compile(r"[0-9a-f]{16}|\d+")  # the latter, a process id, is what they had before
_NEW = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def partial_name(path: Path) -> Path:
    """Return a name beside `path` that nobody else has."""
    return path.with_name(f".{path.name[:_LONGEST]}.{os.urandom(8).hex()}.partial")


def write_atomically(path: Path, content: bytes) -> None:
    """Replace `path` by `content` so that a reader sees the old bytes or the new, never a mix."""
    with atomic_file(path) as file:
        file.write(content)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that replaces `path` when the block succeeds; else `path` stays as it was.

    Raises:
        ArtefactError: the disk is full, failing or read-only.
    """
    with disk_faults(path):
        remove_stale(path)
        partial, handle = _new_file(path)
        with held(handle) as mine:
            try:
                with open(handle, "wb", closefd=False) as file:
                    yield file
                    file.flush()
                    os.fsync(handle)
                os.replace(partial, path)
            except BaseException:
                if mine():
                    with suppress(OSError):  # the next writer of the name removes it
                        partial.unlink(missing_ok=True)
                raise
        fsync(path.parent)


@contextmanager
def asked_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file for what somebody wants at `path`: atomic, and a link to it stays a link.

    A device or pipe is written to as it is: replacing it would take it away from everybody.

    Raises:
        ArtefactError: the disk is full, failing or read-only.
    """
    if path.exists() and not path.is_file():
        with disk_faults(path), path.open("wb") as file:
            yield file
    else:
        with atomic_file(Path(os.path.realpath(path))) as file:  # of a loop of links, the first
            yield file


def _new_file(path: Path) -> tuple[Path, int]:
    while True:
        partial = partial_name(path)
        handle = os.open(partial, _NEW, 0o666)
        if _locked(handle) and is_named(handle, partial):
            return partial, handle
        os.close(handle)  # someone took it for a dead writer's before it was locked


@contextmanager
def partial_folder(path: Path, lock: str) -> Iterator[tuple[Path, int]]:
    """Yield a hidden folder beside `path`, and the handle of its locked file `lock`.

    The block renames it; what is still there under the hidden name at the end is removed.
    """
    remove_stale(path, lock)
    folder, handle = _new_folder(path, lock)
    with held(handle) as mine:
        try:
            yield folder, handle
        finally:
            if mine():
                _remove(folder, lock)


def _new_folder(path: Path, lock: str) -> tuple[Path, int]:
    while True:
        folder = partial_name(path)
        folder.mkdir()
        try:
            handle = os.open(folder / lock, _NEW, 0o666)
        except FileNotFoundError:  # someone took it for a dead writer's before it had a lock
            continue
        except OSError:
            folder.rmdir()
            raise
        if _locked(handle) and is_named(handle, folder / lock):
            return folder, handle
        os.close(handle)


def _locked(handle: int) -> bool:
    """Lock a partial file; where there are no locks nobody can take it for a dead writer's."""
    try:
        return try_lock(handle)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return True


def remove_stale(path: Path, lock: str | None = None) -> None:
    """Delete what writers of `path` that were killed had begun: its lock is free.

    Args:
        path: what they were writing.
        lock: the name of the locked file, where it is a folder.
    """
    start = f".{path.name[:_LONGEST]}."
    for name in os.listdir(path.parent):
        token = name.removeprefix(start).removesuffix(".partial")
        if name == f"{start}{token}.partial" and _TOKEN.fullmatch(token):
            with suppress(OSError):  # another user's, or gone by now
                _remove_if_free(path.with_name(name), lock)


def _remove_if_free(partial: Path, lock: str | None) -> None:
    if stat.S_ISDIR(partial.lstat().st_mode) != (lock is not None):
        return  # or a link to a folder; one to a file is not opened
    locked = partial / lock if lock else partial
    try:
        handle = os.open(locked, _OLD)
    except FileNotFoundError:
        _remove_unlocked(partial, locked)
        return
    with held(handle):
        if try_lock(handle) and is_named(handle, locked):
            if lock:
                _remove(partial, lock)
            else:
                partial.unlink()


def _remove_unlocked(folder: Path, lock: Path) -> None:
    """Remove a folder that has no lock: a living writer puts that there before anything else."""
    try:
        folder.rmdir()  # who was about to lock it makes another
    except OSError:
        if not lock.exists():
            from shutil import rmtree

            rmtree(folder)


def _remove(folder: Path, lock: str) -> None:
    """Remove a folder, its lock last, so that nobody else begins to."""
    # What is left is removed by the next writer of the name.
    with suppress(OSError, ArtefactError):
        clear(folder, lock)
        (folder / lock).unlink()
        folder.rmdir()
