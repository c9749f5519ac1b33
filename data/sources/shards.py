"""Tar shards of images as WebDataset lays them out, listed without unpacking them.

A shard is a tar of `key.jpg`, `key.txt`, `key.json` … in a row; the images count, and what is said
beside them is passed over. Only the members' headers are read, by Python's own `tarfile`; no name
in a shard ever becomes a path on this disk.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from pathlib import Path
from typing import BinaryIO

from zscr.data.corpus import LARGEST, Member
from zscr.data.decoding.suffixes import SUFFIXES
from zscr.data.walk import is_passed_over
from zscr.errors import InputError
from zscr.names import name_fault
from zscr.regular import open_regular

MOST_SHARDS, MOST_MEMBERS = 100_000, 2_000_000  # of a pattern; of a shard
_LARGEST_HEADER = 1 << 20  # bytes of a name or an extended header, which is read as a whole
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)

_PACKED = (b"\x1f\x8b", b"BZ", b"\xfd7", b"(\xb5")  # how gzip, bzip2, xz and zstandard begin
_DAMAGE = (tarfile.TarError, ValueError, OverflowError, RecursionError, OSError)

Skip = Callable[[str, str], None]  # source, reason


class _Header(tarfile.TarInfo):
    """A member's header; one that would take memory or time without end is damage."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError(f"{self.name[:80]!a} is a sparse file")
        if self.type in (*_EXTENDED, *_NAMES) and self.size > _LARGEST_HEADER:
            raise tarfile.ReadError(f"a header of {self.size} bytes")
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return found


def is_pattern(source: Path) -> bool:
    """Say whether a source is a range of shards, `cc3m-{0000..0331}.tar`."""
    return _RANGE.search(str(source)) is not None


def shards_of(source: Path) -> list[Path]:
    """Return the shards that a source names, in order; [] where it names none.

    Args:
        source: a `.tar` file, a folder that has some at its top, or a pattern with ranges.

    Raises:
        InputError: shards of a pattern are missing (counts them), or it names too many.
    """
    if is_pattern(source):
        return _expanded(source)
    if source.is_dir():
        tars = sorted(path for path in source.iterdir() if path.suffix.lower() == ".tar")
        return [path for path in tars if not is_passed_over(path.name) and path.is_file()]
    return [source] if source.suffix.lower() == ".tar" else []


def _expanded(pattern: Path) -> list[Path]:
    parts = _RANGE.split(str(pattern))  # text, first, last, text, first, last, … text
    bounds = [*zip(parts[1::3], parts[2::3], strict=True)]
    count = prod(max(int(last) - int(first) + 1, 0) for first, last in bounds)
    if not 0 < count <= MOST_SHARDS:
        raise InputError(f"{pattern} names {count} shards; name from 1 to {MOST_SHARDS}")
    texts, ranges = parts[::3], [_numbers(*pair) for pair in bounds]
    named = [
        Path(texts[0] + "".join(a + b for a, b in zip(chosen, texts[1:], strict=True)))
        for chosen in product(*ranges)
    ]
    if missing := [path for path in named if not path.is_file()]:
        raise InputError(
            f"{len(missing)} of the {len(named)} shards of {pattern} are not there, the first is "
            f"{missing[0]}; fetch them, or name a smaller range"
        )
    return named


def _numbers(first: str, last: str) -> list[str]:
    """Return a range's numbers as they are written: those with leading zeros alike in length."""
    width = len(first) if first.startswith("0") or len(first) == len(last) else 0
    return [f"{number:0{width}d}" for number in range(int(first), int(last) + 1)]


def read_shard(path: Path, skip: Skip, passed: Counter[str]) -> list[Member]:
    """List the images of a shard, each by where its bytes lie.

    Args:
        path: of an unpacked tar.
        skip: is told what cannot be used: a member with an unsafe name or twice there, a link, one
            that is too large, and where the shard breaks off or is damaged.
        passed: counts what is no image, by its kind.

    Raises:
        InputError: it is no tar, or a packed one.
    """
    found: dict[str, Member] = {}
    for count, member in enumerate(_headers(path, skip)):
        if count == MOST_MEMBERS:
            skip(str(path), f"it has over {MOST_MEMBERS} members, of which the rest is left out")
            break
        name = member.name.removeprefix("./")
        if member.isdir():
            continue
        if not member.isreg() or member.issparse():
            skip(f"{path}: {name[:200]}", "it is a link, a device or a sparse file")
        elif fault := name_fault(name):
            skip(f"{path}: {name[:200]}", f"its name {fault}")
        elif kind := _kind(name):
            passed[kind] += 1
        elif name in found:
            skip(f"{path}: {name[:200]}", "it occurs twice; the first is taken")
        elif not 0 < member.size <= LARGEST:
            skip(f"{path}: {name[:200]}", f"it has {member.size} bytes, which no image has")
        else:
            found[name] = Member(name, member.size, member.offset_data)
    return [*found.values()]


def _headers(path: Path, skip: Skip) -> Iterator[tarfile.TarInfo]:
    """Yield the members whose bytes are there, until a shard ends, breaks off or is damaged."""
    with open_regular(path) as file:
        size, number = os.fstat(file.fileno()).st_size, 0
        if file.read(2) in _PACKED:
            raise InputError(
                f"{path} is packed, and its members cannot be sought; unpack it to .tar"
            )
        file.seek(0)
        try:
            with tarfile.open(fileobj=file, mode="r:", tarinfo=_Header) as tar:
                while (member := tar.next()) is not None:
                    if member.offset_data + member.size > size:
                        raise tarfile.ReadError("unexpected end of data")
                    number += 1
                    yield member
                    tar.members = []  # type: ignore[attr-defined]  # or it would keep them all
                _require_end(file, tar.offset)
        except _DAMAGE as error:
            if not number:
                raise InputError(f"{path} is no tar shard ({error}); fetch it again") from error
            skip(str(path), f"it breaks off or is damaged behind its member {number} ({error})")


def _require_end(file: BinaryIO, offset: int) -> None:
    """Refuse a tar that does not end as tars do: tarfile takes a damaged header for the end."""
    file.seek(offset)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("neither a member nor the mark of the end")


def _kind(name: str) -> str | None:
    """Return the kind of a member that is no image; of `key.seg.png` it is `*.seg.png`."""
    base = name.rsplit("/", 1)[-1]
    if is_passed_over(base):
        return "hidden files"
    _, dot, field = base.partition(".")
    return None if f".{field.lower()}" in SUFFIXES else f"*{dot}{field[:40]}"
