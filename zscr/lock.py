"""Locks on files, which the kernel releases when their holder dies: who writes, and who waits.

A lock is flock's, so that it holds between threads, processes and containers that share a disk. A
process id says nothing in another container; it is written into a lock file for people alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zscr.disk import disk_faults, new_parents, require_writable
from zscr.errors import ArtefactError
from zscr.progress import say

LOCK = "writer.lock"
NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}  # of some file systems
_RECORD = 20  # bytes: a process id, padded, so that a shorter one needs no truncation


@contextmanager
def writer_lock(folder: Path) -> Iterator[None]:
    """Hold the right to write to `folder`; the file stays, since removing it would be a race.

    Raises:
        ArtefactError: another process or thread is writing (names the process), or nobody may.
    """
    try:
        handle = _open(folder / LOCK)
    except FileNotFoundError as error:
        raise ArtefactError(f"{folder} is not there any more; make it again") from error
    with held(handle):
        if not _try(handle, folder):
            raise ArtefactError(
                f"process {_holder(handle)} is writing to {folder}; run this again when it is done"
            )
        _sign(handle, folder)
        yield


@contextmanager
def work_folder(folder: Path, what: str) -> Iterator[None]:
    """Hold `folder` alone, made if it is absent; wait, and say so, while another does.

    What is put there outlives a kill, and waits for whoever holds the folder next. At the end the
    lock's file is removed, and with it the folder, if nothing else is left in it.

    Args:
        folder: of this work alone; its lock file is called as a writer's.
        what: is done there, such as "adding to x.index", for who has to wait.

    Raises:
        ArtefactError: the folder cannot be made or locked, or is a link to another.
    """
    if not folder.exists():
        require_writable(folder)
    with new_parents(folder):
        handle = _wait(folder, what)
        with held(handle) as mine:
            try:
                _sign(handle, folder)
                yield
            finally:
                if mine():
                    _leave(folder)


def _wait(folder: Path, what: str) -> int:
    """Return the lock, held, of a folder that is still there once the lock was waited for."""
    while True:
        handle = _enter(folder)
        try:
            if not _try(handle, folder):
                say(f"waiting for process {_holder(handle)}, which is {what}; Ctrl-C ends this one")
                fcntl.flock(handle, fcntl.LOCK_EX)
            if is_named(handle, folder / LOCK):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _enter(folder: Path) -> int:
    """Make a work folder, if it is absent, and open its lock file."""
    while True:
        with disk_faults(folder), suppress(FileExistsError):
            folder.mkdir()  # `exist_ok` would fail where another removes it at the moment
        if folder.is_symlink():  # what is cleared there must be of this work
            raise ArtefactError(
                f"{folder} is a link, and no folder of zscr's own; who made it may mean harm: "
                f"remove that name if you trust the rest"
            )
        try:
            return _open(folder / LOCK)
        except FileNotFoundError:  # its last holder has just removed it
            continue
        except ArtefactError:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
            raise


def is_busy(folder: Path) -> bool:
    """Say whether a work folder is held, or may not be locked, so that there is no telling."""
    try:
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    with held(handle):
        try:
            return not try_lock(handle)
        except OSError:
            return True


def clear(folder: Path, lock: str = LOCK) -> None:
    """Remove what is in a folder, except for its lock; only who holds that may.

    Raises:
        ArtefactError: the disk refuses.
    """
    from shutil import rmtree

    with disk_faults(folder):
        # What lists other files goes first, so that a kill leaves none that lists what is gone.
        for path in sorted(folder.iterdir(), key=lambda path: path.suffix != ".json"):
            if path.name != lock:
                if path.is_dir() and not path.is_symlink():
                    rmtree(path)
                else:
                    path.unlink()


def _leave(folder: Path) -> None:
    """Remove the lock's file, then the folder if it is empty; who waits finds the name gone."""
    with suppress(OSError):  # what is left here is taken over by the next that works here
        (folder / LOCK).unlink(missing_ok=True)
        folder.rmdir()


@contextmanager
def held(handle: int) -> Iterator[Callable[[], bool]]:
    """Release a lock and its file at the end; yield a function that says whether it is ours.

    A forked child has it, too: it must neither release it, which would be for both, nor keep it
    when its parent is done.
    """
    owner = os.getpid()
    try:
        yield lambda: os.getpid() == owner
    finally:
        if os.getpid() == owner:
            with suppress(OSError):  # of a file system without locks
                fcntl.flock(handle, fcntl.LOCK_UN)
        os.close(handle)


def try_lock(handle: int) -> bool:
    """Lock an open file for as long as it is open; return False if another has it.

    Raises:
        OSError: one of `NO_LOCKS`, where the file system has none.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # the latter is what a Windows share says
        return False
    return True


def is_named(handle: int, path: Path) -> bool:
    """Say whether an open file is what `path` names now: its name may be gone, or another's."""
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(handle))


def _open(path: Path) -> int:
    """Open a lock file, made if it is absent: never through a link, and no device or pipe.

    It may come from a stranger, with the folder that it is in, and lead to something of value.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    if os.path.lexists(path):
        _require_plain(path, os.lstat(path))
    try:
        handle = os.open(path, flags, 0o644)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArtefactError(
            f"{path.parent} cannot be written to ({error.strerror}); check its permissions"
        ) from error
    try:
        _require_plain(path, os.fstat(handle))
    except ArtefactError:
        os.close(handle)
        raise
    return handle


def _require_plain(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
        raise ArtefactError(
            f"{path} is a link, a device, or a second name of some other file, and no lock; who "
            f"made the folder may mean harm: remove that name if you trust the rest"
        )


def _try(handle: int, folder: Path) -> bool:
    try:
        return try_lock(handle)
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        raise ArtefactError(
            f"the disk of {folder} has no file locks ({error.strerror}), so that two writers could "
            f"spoil each other's work; write to another disk and copy the folder there"
        ) from error


def _sign(handle: int, folder: Path) -> None:
    with disk_faults(folder / LOCK):
        os.pwrite(handle, f"{os.getpid():<{_RECORD - 1}}\n".encode(), 0)


def _holder(handle: int) -> str:
    return os.pread(handle, _RECORD, 0).decode("ascii", "replace").strip() or "unknown"
