"""Progress on stderr: a rich bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from zscr.printable import printable

_PLAIN_SECONDS = 5.0


class Progress(Protocol):
    """Counts done units of a known total."""

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count `units` as done and show `note` beside the bar."""


class _Plain:
    """Prints `title: done/total (rate, time left)` every few seconds and at the end."""

    def __init__(self, title: str, total: int, done: int, *, in_bytes: bool) -> None:
        self.title, self.total, self.done, self.note = title, total, done, ""
        self.unit, self.size = (" MB", 1e6) if in_bytes else ("", 1.0)
        self.before = done
        self.start = self.shown = time.monotonic()

    def advance(self, units: int = 1, note: str = "") -> None:
        self.done, self.note = self.done + units, printable(note)
        if time.monotonic() - self.shown >= _PLAIN_SECONDS or self.done >= self.total:
            self.show()

    def show(self) -> None:
        self.shown = time.monotonic()
        rate = (self.done - self.before) / max(self.shown - self.start, 1e-6)
        left = (self.total - self.done) / max(rate, 1e-6)
        tail = f" {self.note}" if self.note else ""
        speed = f"{rate / self.size:.3g}{self.unit}/s"
        sys.stderr.write(f"{self.title}: {self._counts()} ({speed}, {left:.0f} s left){tail}\n")

    def _counts(self) -> str:
        done, total = self.done / self.size, self.total / self.size
        shown = f"{done:.1f}/{total:.1f}" if self.unit else f"{self.done}/{self.total}"
        return shown + self.unit


class _Bar:
    """The same through rich, which is imported only when a bar is drawn."""

    def __init__(self, title: str, total: int, done: int, *, in_bytes: bool) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            TextColumn,
            TimeRemainingColumn,
        )
        from rich.progress import (
            Progress as RichProgress,
        )

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            DownloadColumn() if in_bytes else MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self.bar = RichProgress(*columns, console=Console(stderr=True))
        self.task = self.bar.add_task(title, total=total, completed=done, note="")

    def advance(self, units: int = 1, note: str = "") -> None:
        self.bar.update(self.task, advance=units, note=printable(note))


@contextmanager
def progress(
    title: str, total: int, done: int = 0, *, in_bytes: bool = False
) -> Iterator[Progress]:
    """Show the progress of `total` units of work called `title`, `done` of them earlier on.

    Units that are bytes are shown in MB (10^6).
    """
    title = printable(title)
    if not sys.stderr.isatty():
        yield _Plain(title, total, done, in_bytes=in_bytes)
        return
    bar = _Bar(title, total, done, in_bytes=in_bytes)
    with bar.bar:
        yield bar


def say(sentence: str) -> None:
    """Tell the user something on stderr, in one line; stdout is for data."""
    sys.stderr.write(printable(sentence) + "\n")
