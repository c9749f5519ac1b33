"""The sha256 of files, remembered: a file is read again only where it may have changed.

Who writes to a file, exchanges it or sets its times back (`cp -p`, `touch -r`, `rsync -t`) gives it
the time of now as its ctime, which nobody can set. So a file of the same size, mtime, ctime and
inode holds what it held, but for one case: a clock ticks in steps, and a file that is written
again within the step in which it was read looks the same. Git calls such files racily clean, and
the same is done about them: one whose times are not well older than the moment it was read at is
not remembered, and is read again the next time.

What is not seen: a disk without ctimes (FAT, exFAT, some network disks) where a file of the same
size is exchanged under the same name and mtime, and bytes that rot on a disk. `zscr index verify`
reads every file.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from zscr.artefact import dump_json, hash_file
from zscr.errors import InputError
from zscr.partial import write_atomically
from zscr.progress import say
from zscr.proven import is_settled
from zscr.regular import read_regular
from zscr.schema import mapping, record, words
from zscr.strict_json import parse_json

_LARGEST = 1 << 30  # bytes of the file; a million images have 0.2 GB
_ROW = re.compile(r"[0-9a-f]{64} \d+ -?\d+ -?\d+ \d+", re.ASCII)
_FIELDS = record({"files": mapping(words)})


class Hashes:
    """What is known of the files below a folder; of none, where nothing is remembered."""

    def __init__(self, file: Path | None = None, folder: Path = Path("/")) -> None:
        """Take up what `file` remembers of `folder`, if it is there; it may have been moved.

        A damaged file is told, and all is read again.
        """
        self._file, self._start = file, len(str(folder).rstrip("/")) + 1
        self._rows = {} if file is None else _read(file)
        self._before = dict(self._rows)
        self._racy = set[str]()  # known to this process alone
        self.fresh = set[Path]()  # those that have been read

    def known(self, path: Path) -> str | None:
        """Return the sha256 of a file that has not changed, without reading it; else None."""
        row = self._rows.get(self._name(path))
        if row is None:
            return None
        try:
            same = row[65:] == _about(os.stat(path)) and _ROW.fullmatch(row)
        except OSError:
            return None
        return row[:64] if same else None

    def holds(self, path: Path, sha256: str) -> bool:
        """Say whether a file surely still holds a content that was read of it."""
        return self._name(path) not in self._racy and self.known(path) == sha256

    def read(self, path: Path) -> str:
        """Read a file, remember its sha256 and return it.

        Raises:
            InputError: it is no regular file.
            OSError: it does not exist or may not be read.
        """
        self.fresh.add(path)
        moment, before = time.time_ns(), os.stat(path)
        sha256 = hash_file(path)
        settled = is_settled(before, moment)
        self._rows[self._name(path)] = f"{sha256} {_about(before)}"
        if not settled or _about(before) != _about(os.stat(path)):
            self._racy.add(self._name(path))
        return sha256

    def keep(self, folder: Path, paths: Iterable[Path]) -> None:
        """Forget what lies below a folder, but for these files; write what is left, if it is new.

        Raises:
            ArtefactError: the disk is full, failing or read-only.
        """
        start, there = self._name(folder / "x")[:-1], set(map(self._name, paths))
        self._rows = {
            name: row
            for name, row in self._rows.items()
            if name not in self._racy and (name in there or not name.startswith(start))
        }
        if self._file and self._rows != self._before:
            write_atomically(self._file, dump_json({"files": self._rows}))
            self._before = dict(self._rows)

    def _name(self, path: Path) -> str:
        return str(path)[self._start :]


def _about(found: os.stat_result) -> str:
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def _read(file: Path) -> dict[str, str]:
    try:
        content = parse_json(read_regular(file, _LARGEST, "list of files"))
        _FIELDS(content, "")
    except FileNotFoundError:
        return {}
    except (ValueError, InputError, OSError) as error:
        say(f"{file} is damaged ({error}); the images are read again")
        return {}
    return dict(content["files"])
