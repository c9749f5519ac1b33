"""The memory that decoding may take: images wait for it, so threads never fill the machine."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Condition

from zscr.control_groups import group_folders, group_text
from zscr.errors import InputError

_MMAP_THRESHOLD = -3  # of malloc.h: blocks from this size on are mapped, and unmapped when freed
SHARE = 4  # decoding takes a quarter of the memory, unless --memory says otherwise


class Budget:
    """Bytes that may be reserved at once; a reservation waits until others have been given back.

    Whoever holds a reservation must not wait for a second one.
    """

    def __init__(self, limit: int | None = None) -> None:
        self._limit, self._used, self._freed = limit, 0, Condition()

    @property
    def limit(self) -> int:
        """All bytes of it, by default a quarter of what the process may use."""
        if self._limit is None:
            self._limit = available_memory() // SHARE
        return self._limit

    def set_limit(self, limit: int | None) -> None:
        """Allow another number of bytes; None is the default again."""
        with self._freed:
            self._limit = limit
            self._freed.notify_all()

    def check(self, size: int, what: str) -> None:
        """Refuse what can never be reserved.

        Raises:
            InputError: it is more than all of them.
        """
        limit = self.limit
        if size > limit:
            raise InputError(
                f"{what} takes {_spoken(size)} to decode, more than the {_spoken(limit)} that may "
                f"be used; allow more with --memory, or shrink it"
            )

    @contextmanager
    def reserve(self, size: int, what: str) -> Iterator[None]:
        """Hold `size` bytes for `what`, when there are so many.

        Raises:
            InputError: it is more than all of them: waiting would not help.
        """
        self.check(size, what)
        with self._freed:
            self._freed.wait_for(lambda: not self._used or self._used + size <= self.limit)
            self._used += size
        try:
            yield
        finally:
            with self._freed:
                self._used -= size
                self._freed.notify_all()


DECODING = Budget()  # one for all threads and models of a process, as the memory is


def return_freed_memory() -> None:
    """Have glibc give large blocks back to the system as soon as they are freed.

    By itself it comes to keep blocks of up to 32 MB for each thread that decoded an image, so a
    process would grow with its threads, whatever is reserved. It is for commands to call, and for
    who asks for it: the setting is the whole process's.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(_MMAP_THRESHOLD, 1 << 20)


def available_memory(root: Path = Path("/")) -> int:
    """Return the bytes that this process may use: the machine's, or its control group's if fewer.

    Args:
        root: of the file system, where /proc and /sys are.
    """
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *_group_limits(root)])


def _group_limits(root: Path) -> Iterator[int]:
    """Yield the limits of the control groups, version 1 and 2, that the process is in."""
    for version, folder in group_folders("memory", root):
        told = group_text(folder / ("memory.max" if version == 2 else "memory.limit_in_bytes"))
        if told.isdigit():  # not "max"
            yield int(told)


def _spoken(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
