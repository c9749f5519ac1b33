"""The three standard streams of a command: closed, full or of another encoding, told in a sentence.

What Python makes of them differs: a closed one is None, a full disk behind stdout shows at the
first write or at the exit, and PYTHONUNBUFFERED and the locale change buffers and encodings.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, BinaryIO, TextIO

import click

from zscr.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Closed(click.ClickException):
    """Stdout is closed, or failed; shown wherever it is met, also outside of a command."""


def prepare_streams() -> None:
    """Let every command find a stdin, stdout and stderr that behave alike; to be called once.

    A closed stream's number is taken by the null device, lest the next file that is opened get it
    and be written over. Streams that a program has put in their place are left alone.

    Raises:
        Closed: stdout is closed. Found out before the work, not when its result is to be written.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
    told, out = sys.stderr, sys.stdout
    if told is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (until the end)
    elif told is sys.__stderr__:
        sys.stderr = _text(_Told(2, "w", closefd=False), told)
    if out is None:
        raise Closed("stdout is closed; redirect it, for instance to a file or to /dev/null")
    if out is sys.__stdout__:
        sys.stdout = _text(_Output(1, "w", closefd=False), out)


def standard_input() -> BinaryIO:
    """Return stdin as bytes.

    Raises:
        ConfigError: it is closed.
    """
    if sys.stdin is None:
        raise ConfigError("stdin is closed, so nothing can be read from '-'; name a file")
    return sys.stdin.buffer


def _text(raw: io.FileIO, before: TextIO | None) -> io.TextIOWrapper:
    """Wrap a stream as `before` was, a line at a time; what its encoding lacks is escaped."""
    encoding, stream = getattr(before, "encoding", None), io.BufferedWriter(raw)
    return io.TextIOWrapper(stream, encoding, errors="backslashreplace", line_buffering=True)


class _Output(io.FileIO):
    """Stdout: the first write that fails is one sentence; what is in buffers then is dropped."""

    broken = False

    def write(self, content: ReadableBuffer, /) -> int:
        """Write; a reader who has gone away stays a BrokenPipeError, which ends a command."""
        if self.broken:  # Python flushes at its exit, and would complain a second time
            return memoryview(content).nbytes
        try:
            while (written := super().write(content)) is None:
                select.select([], [self], [])  # a pipe that does not wait by itself is full
        except BrokenPipeError:
            self.broken = True
            raise
        except OSError as error:
            self.broken = True
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            why = "the disk is full" if full else f"there is an error ({error.strerror})"
            raise Closed(f"{why}, so stdout was not written; redirect it elsewhere") from error
        return written


class _Told(io.FileIO):
    """Stderr: nobody can be told that it cannot be written to, and work goes on without it."""

    def write(self, content: ReadableBuffer, /) -> int:
        """Write as much as can be written."""
        try:
            while (written := super().write(content)) is None:
                select.select([], [self], [])
        except OSError:
            return memoryview(content).nbytes
        return written
