"""What was proven of files once, such as their sha256, known by what cannot stay as they change.

Hashing a model takes longer than loading it, and a model is opened far more often than it changes.
A file is known again by its device, inode, size, mtime and ctime. Whoever writes to it, cuts it,
exchanges it, renames it or sets its times back (`cp -p`, `touch -r`) gives its inode the time of
now as its ctime, which no call can set, so that it is proven anew. Three things could hide a
change, and nothing is remembered where they may happen:

- A clock ticks in steps: a file that is written again within a step looks as before. So a file
  whose times are not well older than the moment before it was read is not remembered; nor is one
  whose times lie ahead, as of a clock that was set back. Git calls them racily clean.
- What is read may change while it is read: it must look the same after it as before.
- A disk may have no ctime of its own, or inodes that are handed out anew: network disks, FAT,
  archives that are mounted, and layers of a container over them. `_DISKS` lists those that do.

Not seen are bytes that rot on a disk which does not notice, a disk that is written to past its
file system, a clock that is set back to the very nanosecond of a ctime, and a program that has
held a file mapped to be written to since before it was read: its pages get a new ctime when they
are first written to, or after the system has written them back. `--verify` (see
`zscr.options.verify_option`) proves all anew. This guards against damage, as hashes in a manifest
do; whoever means harm may write another manifest.

A fact is an empty file in `$ZSCR_CACHE/proven` whose name is the hash of all that it says. So
processes need no lock, a kill leaves nothing half, damage can only lose facts, and none is believed
where another user may write.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from zscr.cache import cache_folder
from zscr.errors import ConfigError
from zscr.regular import disk_type

CONTENT = "content"  # the kind of the fact that a file has a sha256
_STEP = 2_000_000_000  # nanoseconds: no disk's clock has longer steps than FAT's
_DISKS = frozenset("bcachefs btrfs ext2 ext3 ext4 f2fs tmpfs xfs zfs".split())
_SMALL = 1 << 18  # bytes; fewer are proven anew faster than looked up
_MOST = 4096  # facts; over it, the older half is forgotten
_verifiers = 0  # blocks that prove all anew at the moment


@dataclass(frozen=True)
class Identity:
    """What a file is known again by.

    Attributes:
        key: of its device, inode, size and times.
        size: in bytes.
        settled: whether a change of it from now on gives it another key.
    """

    key: str
    size: int
    settled: bool


def identity(handle: int) -> Identity:
    """Return what an open file is known by, to be taken before it is read."""
    moment, found = time.time_ns(), os.fstat(handle)
    numbers = found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
    return Identity(" ".join(map(str, numbers)), found.st_size, is_settled(found, moment))


def is_settled(found: os.stat_result, moment: int) -> bool:
    """Say whether a file's times are so old at a moment that any later change shows in them.

    Args:
        found: what the file system says of it.
        moment: in nanoseconds since 1970, from before that was asked.
    """
    return max(found.st_mtime_ns, found.st_ctime_ns) < moment - _STEP


def is_proven(file: Identity, sha256: str, kind: str = CONTENT) -> bool:
    """Say whether a file surely has what was proven of it before, by this or another process.

    Args:
        file: what it is known by.
        sha256: of its content, or of all that another kind of fact is about.
        kind: of the fact, such as `CONTENT`: a new name wherever what is proven changes.
    """
    if file.size < _SMALL or _verifiers:
        return False
    try:
        folder = _folder()
        return _is_private(folder) and (folder / _name(file, sha256, kind)).exists()
    except (OSError, ConfigError):  # no cache, or none that may be read: it is proven anew
        return False


def remember(handle: int, before: Identity, sha256: str, kind: str = CONTENT) -> None:
    """Remember what was proven of an open file, if it was settled and has not changed since.

    Args:
        handle: of the file, which all that was proven was read through.
        before: what it was known by before it was read.
        sha256, kind: see `is_proven`.
    """
    if before.size < _SMALL or not before.settled or identity(handle).key != before.key:
        return
    if disk_type(handle) not in _DISKS:
        return
    with suppress(OSError, ConfigError):  # no cache that can be written to: it is proven anew
        folder = _folder()
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(0o700, exist_ok=True)
        if _is_private(folder):
            (folder / _name(before, sha256, kind)).touch()
            _forget_old(folder)


@contextmanager
def verifying(asked: bool = True) -> Iterator[None]:
    """Let this process prove all anew within the block, if that is asked for."""
    global _verifiers
    _verifiers += asked
    try:
        yield
    finally:
        _verifiers -= asked


def _folder() -> Path:
    return cache_folder() / "proven"


def _is_private(folder: Path) -> bool:
    """Say whether nobody but this user can have put a fact there."""
    try:
        found = os.lstat(folder)
    except FileNotFoundError:
        return False
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return own and not found.st_mode & 0o022


def _name(file: Identity, sha256: str, kind: str) -> str:
    return hashlib.sha256(f"{kind}\n{sha256}\n{file.key}".encode()).hexdigest()


def _forget_old(folder: Path) -> None:
    names = os.listdir(folder)
    if len(names) > _MOST:
        ages = {name: os.lstat(folder / name).st_mtime_ns for name in names}
        for name in sorted(names, key=ages.__getitem__)[: _MOST // 2]:
            (folder / name).unlink(missing_ok=True)
