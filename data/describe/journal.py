"""Answers kept as they come, so that a kill at any moment costs none that has come."""

from __future__ import annotations

import os
from io import FileIO
from pathlib import Path

from zscr.artefact import dump_jsonl
from zscr.data.describe.checks import Sentence
from zscr.disk import disk_faults
from zscr.errors import ArtefactError
from zscr.progress import say
from zscr.regular import irregular, read_regular
from zscr.schema import SHA256, flag, record, text
from zscr.strict_json import parse_json

_LARGEST = 1 << 28  # bytes; 100,000 answers have 50 MB
_ROW = record({"key": SHA256, "answer": text(least=1), "cut": flag})
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class Journal:
    """A file with an answer a line, by the hash of what was asked; one process writes to it.

    A line is appended and synced before its answer counts. One that a kill or a full disk has cut
    off is taken away at the next start, and asked again.
    """

    def __init__(self, path: Path) -> None:
        """Open it, made if it is absent.

        Raises:
            ArtefactError: it is a link, or no file.
        """
        self.path = path
        self._rows: dict[str, Sentence] = {}
        with disk_faults(path):
            self._file = self._open()
            try:
                self._read()
            except BaseException:
                self._file.close()
                raise

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def get(self, key: str) -> Sentence | None:
        """Return the answer that was kept under a key, if any."""
        return self._rows.get(key)

    def keep(self, key: str, sentence: Sentence) -> None:
        """Keep an answer; it is on the disk when this returns.

        Raises:
            ArtefactError: the disk is full, failing or read-only.
        """
        line = dump_jsonl([{"key": key, "answer": sentence.text, "cut": sentence.cut}])
        with disk_faults(self.path):
            while line:
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        self._rows[key] = sentence

    def _open(self) -> FileIO:
        there = self.path.exists()
        kind = "a link" if self.path.is_symlink() else irregular(self.path) if there else None
        if kind:
            raise ArtefactError(f"{self.path} is {kind}, and no file of zscr's own; remove it")
        # Without a buffer: closing one that a full disk has not taken would fail once more.
        return open(os.open(self.path, _FLAGS, 0o644), "ab", buffering=0)

    def _read(self) -> None:
        raw = read_regular(self.path, _LARGEST, "file of answers")
        whole, _, _ = raw.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        os.truncate(self._file.fileno(), len(whole) + 1 if whole else 0)
        damaged = sum(not self._take(line) for line in lines)
        if damaged:
            say(f"{self.path}: {damaged} damaged lines are left out, and asked again")

    def _take(self, line: bytes) -> bool:
        try:
            row = parse_json(line)
            _ROW(row, "")
        except ValueError:
            return False
        self._rows[row["key"]] = Sentence(row["answer"], row["cut"])
        return True
