"""Opening a path that a stranger may have chosen: a regular file on a disk, and nothing else.

A FIFO would wait for ever, a device may act when it is opened, and a file of the kernel's own
(/proc, /sys) says what no stranger is to learn.
"""

from __future__ import annotations

import os
import stat
from functools import cache
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

from zscr.errors import InputError

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}
_KERNEL = set(
    "proc sysfs cgroup cgroup2 debugfs tracefs securityfs configfs devpts mqueue bpf pstore "
    "efivarfs fusectl binfmt_misc rpc_pipefs nsfs selinuxfs".split()
)


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file to read its bytes; links are followed.

    Raises:
        InputError: it is a pipe, a socket, a device, a folder, or the kernel's own.
        OSError: it does not exist or may not be read.
    """
    _refuse(path, path.stat())  # before it is opened: opening a device may do something
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _refuse(path, os.fstat(handle))  # what was looked at may have been exchanged since
        return open(path, "rb", opener=lambda *_: handle)
    except BaseException:
        os.close(handle)
        raise


def read_regular(path: Path, limit: int, what: str) -> bytes:
    """Return the bytes of a regular file.

    Args:
        path: of the file.
        limit: bytes that it may have; what: it is, for the error.

    Raises:
        InputError: it has more, or is no regular file.
        OSError: it does not exist or may not be read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        raw = file.read(min(size, limit) + 1)  # as much as is asked for is allocated at once
    if len(raw) > limit:
        raise InputError(f"{path} is over {limit} bytes, which no {what} has")
    return raw


def irregular(path: Path) -> str | None:
    """Return what an existing path is, in words, if it is no regular file; else None.

    Raises:
        OSError: it cannot be looked at.
    """
    return _kind(path.stat())


def disk_type(handle: int) -> str | None:
    """Return the kind of disk that an open file lies on, such as `ext4`; None if it is not told."""
    try:
        about = Path(f"/proc/self/fdinfo/{handle}").read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    held = next((line.split()[1] for line in about if line.startswith("mnt_id:")), None)
    return next((one.kind for one in _mounts() if one.number == held), None)


def _refuse(path: Path, found: os.stat_result) -> None:
    if kind := _kind(found):
        raise InputError(f"{path} is {kind}, not a file on a disk; name a file")


def _kind(found: os.stat_result) -> str | None:
    if kind := _KINDS.get(stat.S_IFMT(found.st_mode)):
        return kind
    if found.st_dev in _kernel_devices():
        _kernel_devices.cache_clear()  # another disk may have been mounted under that number since
        return "a file of the kernel" if found.st_dev in _kernel_devices() else None
    return None


@cache
def _kernel_devices() -> frozenset[int]:
    """Return the device numbers of file systems that the kernel makes up, as /proc."""
    return frozenset(one.device for one in _mounts() if one.kind in _KERNEL)


class _Mount(NamedTuple):
    number: str  # of the mount, as /proc/self/fdinfo has it
    device: int
    kind: str


def _mounts() -> list[_Mount]:
    """Return what is mounted now; nothing where there is no /proc, as none of its files either."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        mount, _, about = line.partition(" - ")
        number, _, device, _ = mount.split(" ", 3)
        major, minor = device.split(":")
        found.append(_Mount(number, os.makedev(int(major), int(minor)), about.split(" ", 1)[0]))
    return found
