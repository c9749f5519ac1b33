"""What a disk can refuse, as one sentence; and what must be asked of it before hours of work."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from zscr.errors import ArtefactError
from zscr.progress import say

if TYPE_CHECKING:
    import numpy.typing as npt

AGAIN = "run the same command again"
_FREE = "so {path} was not written and nothing else was touched; free some space on that disk and"
_FAULTS = {  # errno -> what it means for who was writing, and what to do
    errno.ENOSPC: f"the disk is full, {_FREE} {AGAIN}",
    errno.EDQUOT: f"the disk is full (your quota of it), {_FREE} {AGAIN}",
    errno.EFBIG: "{path} would be larger than a file may be there; raise the limit ('ulimit -f') "
    "or name a place on another disk",
    errno.EIO: "the disk failed (input/output error) while {path} was written; check that disk, "
    f"then {AGAIN}",
    errno.EROFS: "{path} cannot be written, its disk is read-only; name a place on another disk",
}
# numpy and Pillow write through C and raise OSError without the errno of what went wrong.
_CUT_SHORT = re.compile(r"\d+ requested and -?\d+ written|encoder error -?\d+ when writing")


@contextmanager
def disk_faults(path: Path | str) -> Iterator[None]:
    """Turn what a disk refuses while `path` is written into one sentence.

    Raises:
        ArtefactError: the disk is full, failing or read-only, or a file may not be so large.
    """
    try:
        yield
    except OSError as error:
        told = _FAULTS.get(error.errno or 0)
        if told is None and error.errno is None and _CUT_SHORT.search(str(error)):
            told = f"only a part of {{path}} could be written, as if the disk were full; {_MORE}"
        if told is None:
            raise
        raise ArtefactError(told.format(path=path)) from error


_MORE = f"free some space on that disk and {AGAIN}"


@contextmanager
def reading_faults(path: Path) -> Iterator[None]:
    """Turn what keeps `path` from being read, although it may be there, into one sentence.

    Raises:
        ArtefactError: it may not be looked at, its name is impossible, or its disk fails.
        FileNotFoundError: it is not there; who reads it knows what that means.
    """
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ArtefactError(
            f"{path} cannot be read ({error.strerror}); change its permissions or name another"
        ) from error


def require_writable(path: Path, *, new: bool = False) -> None:
    """Prove that `path` can be made, or replaced, before anything is computed for it.

    Args:
        path: a file or folder to be; folders above it may be absent, too.
        new: whether nothing may be there yet.

    Raises:
        ArtefactError: something is there already, or its folder is none, or may not be written to.
    """
    if new and os.path.lexists(path):
        raise ArtefactError(f"{path} exists already; name another place, or use what is there")
    parent = next(one for one in Path(os.path.abspath(path)).parents if os.path.lexists(one))
    if not parent.is_dir():
        raise ArtefactError(f"{path} cannot be made, for {parent} is no folder; name another place")
    if not os.access(parent, os.W_OK | os.X_OK):  # false on a read-only disk, too, even for root
        raise ArtefactError(
            f"{path} cannot be written: {parent} may not be written to; change its permissions or "
            f"name another place"
        )


def require_space(path: Path, size: int) -> None:
    """Prove that the disk of `path` has `size` bytes left.

    Raises:
        ArtefactError: it has fewer.
    """
    from shutil import disk_usage  # which loads three libraries of compression

    parent = next(one for one in Path(os.path.abspath(path)).parents if one.is_dir())
    free = disk_usage(parent).free
    if free < size:
        raise ArtefactError(
            f"{path} needs {size / 1e6:.2f} MB and the disk has {free / 1e6:.2f} MB left; free "
            f"some space on that disk or name another place"
        )


@contextmanager
def new_parents(path: Path) -> Iterator[None]:
    """Make the folders above `path` that are absent, to last; if the block fails, remove them.

    A folder's own name is kept by the one above it, which is synced for that.

    Raises:
        ArtefactError: the disk is full, failing or read-only.
    """
    absent = [one for one in path.parents if not one.exists()]
    made: list[Path] = []
    try:
        with disk_faults(path.parent):
            for folder in reversed(absent):
                with suppress(FileExistsError):  # another writer was faster
                    folder.mkdir()
                    made.append(folder)
                fsync(folder.parent)
        yield
    except BaseException:
        with suppress(OSError):  # something else has come to be there
            for folder in reversed(made):
                folder.rmdir()
        raise


def fsync(path: Path) -> None:
    """Flush a file, or a directory's entries, to the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_all(paths: Sequence[Path]) -> None:
    """Sync files and folders at once: a file system with a journal writes it once for all of them.

    Raises:
        OSError: one could not be synced.
    """
    from concurrent.futures import ThreadPoolExecutor  # which a query need not load

    with ThreadPoolExecutor(len(paths)) as pool:
        for _ in pool.map(fsync, paths):
            pass


def remove_or_tell(path: Path) -> bool:
    """Delete a file that nothing names any more; where the disk refuses, say so, return False."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        say(f"{path} is needed no more and could not be deleted ({error.strerror})")
        return False
    return True


@contextmanager
def plain_file(path: Path) -> Iterator[BinaryIO]:
    """Open a new file for numpy and Pillow.

    To a file of Python's own they write by themselves, in C: numpy forgets why it failed, and
    Pillow does not see that a disk has taken a part only.
    """
    with path.open("wb") as file:
        yield cast("BinaryIO", Plain(file))  # all of one that these two ask for


class Plain:
    """A file by its `write` alone."""

    def __init__(self, file: BinaryIO) -> None:
        self.write = file.write


def save_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write an array as `.npy`."""
    import numpy as np

    with plain_file(path) as file:
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)
