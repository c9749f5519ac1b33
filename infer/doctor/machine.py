"""Facts of the machine: processor, cores, memory, disks. Read, never assumed."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from zscr import cache, home
from zscr.cores import affinity, cpu_quota, usable_cores
from zscr.errors import ConfigError
from zscr.memory import available_memory
from zscr.processor import MEANINGS, X86, processor_flags, processor_name


@dataclass(frozen=True)
class Processor:
    """The processor and its cores.

    Attributes:
        flags: those that speed up the products of a precision -> what they do.
        lacks: those of its kind that it has not; None where flags cannot be read.
        cores: of the machine; affinity: those that the process may be put on.
        quota: the cores' worth of time that its container allows; None without a limit.
        usable: threads that can run at once, by both.
    """

    name: str
    flags: dict[str, str]
    lacks: tuple[str, ...] | None
    cores: int
    affinity: int
    quota: float | None
    usable: int


@dataclass(frozen=True)
class Memory:
    """Bytes of the machine, and those that the process may use; free: None where not told."""

    machine: int
    usable: int
    free: int | None


@dataclass(frozen=True)
class Place:
    """A folder that zscr writes to.

    Attributes:
        what: is kept there; variable: that names another, and whether it is set.
        path: None where there is none, as `fault` says.
        free: bytes of its disk; writable: whether files can be made there.
    """

    what: str
    variable: str | None
    is_set: bool
    path: str | None
    free: int | None = None
    writable: bool | None = None
    fault: str | None = None


def read_processor(root: Path = Path("/")) -> Processor:
    """Read what the processor is and can do.

    Args:
        root: of the file system, where /proc and /sys are.
    """
    flags = processor_flags(root)
    has = {flag: said for flag, said in MEANINGS.items() if flag in (flags or ())}
    lacks = tuple(flag for flag in _of_its_kind(has) if flag not in has)
    return Processor(
        processor_name(root),
        has,
        None if flags is None else lacks,
        os.cpu_count() or 1,
        affinity(),
        cpu_quota(root),
        usable_cores(root),
    )


def _of_its_kind(has: dict[str, str]) -> tuple[str, ...]:
    """Return the flags that processors of this architecture may have."""
    arm = tuple(flag for flag in MEANINGS if flag not in X86)
    return arm if "asimd" in has else X86


def read_memory(root: Path = Path("/")) -> Memory:
    """Read how much memory the machine has, how much may be used, and how much nobody uses."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    told = re.search(r"MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"))
    return Memory(machine, available_memory(root), int(told[1]) << 10 if told else None)


def _text(path: Path) -> str:
    return path.read_text() if path.is_file() else ""


def read_places() -> list[Place]:
    """Look at the folders that zscr writes to."""
    return [
        _place("models and indexes", home.VARIABLE, home.home_folder),
        _place("cache", cache.VARIABLE, cache.cache_folder),
        _place("this folder", None, Path.cwd),
    ]


def _place(what: str, variable: str | None, folder: Callable[[], Path]) -> Place:
    is_set = variable is not None and bool(os.environ.get(variable))
    try:
        path = folder()
        there = next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())
        free = shutil.disk_usage(there).free
    except (ConfigError, OSError) as error:
        return Place(what, variable, is_set, None, fault=str(error))
    writable = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return Place(what, variable, is_set, str(path), free, writable)
