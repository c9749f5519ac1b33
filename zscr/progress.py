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

    def __init__(self, title: str, total: int, done: int) -> None:
        self.title, self.total, self.done, self.note = title, total, done, ""
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
        line = f"{self.title}: {self.done}/{self.total} ({rate:.3g}/s, {left:.0f} s left){tail}"
        sys.stderr.write(line + "\n")


class _Bar:
    """The same through rich, which is imported only when a bar is drawn."""

    def __init__(self, title: str, total: int, done: int) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
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
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self.bar = RichProgress(*columns, console=Console(stderr=True))
        self.task = self.bar.add_task(title, total=total, completed=done, note="")

    def advance(self, units: int = 1, note: str = "") -> None:
        self.bar.update(self.task, advance=units, note=printable(note))


@contextmanager
def progress(title: str, total: int, done: int = 0) -> Iterator[Progress]:
    """Show the progress of `total` units of work called `title`, `done` of them earlier on."""
    title = printable(title)
    if not sys.stderr.isatty():
        yield _Plain(title, total, done)
        return
    bar = _Bar(title, total, done)
    with bar.bar:
        yield bar


def say(sentence: str) -> None:
    """Tell the user something on stderr, in one line; stdout is for data."""
    sys.stderr.write(printable(sentence) + "\n")
