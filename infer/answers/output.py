"""Where answers go: stdout, or a file that is there whole or not at all."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from zscr.disk import disk_faults
from zscr.errors import ConfigError
from zscr.partial import atomic_file

# An answer is out as soon as it is written, whoever waits for it behind a pipe; half a character,
# as in a name from the disk that is not UTF-8, is escaped.
_TEXT: dict[str, Any] = {"errors": "backslashreplace", "line_buffering": True}


@contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """Yield stdout, or a stream that replaces the file `path` when the block succeeds; both UTF-8.

    Raises:
        ConfigError: nothing can be written there.
        ArtefactError: the disk is full. What the file held before, it still holds.
    """
    if path is None:
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", **_TEXT)
        with disk_faults("stdout"):
            yield sys.stdout
            sys.stdout.flush()
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(_file(path))
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be written ({error.strerror}); name another place"
            ) from error
        text = io.TextIOWrapper(file, "utf-8", newline="\n", **_TEXT)
        yield text
        text.detach()


def _file(path: Path) -> AbstractContextManager[BinaryIO]:
    """Open a device or pipe as it is: replacing it would take it away from everybody."""
    special = path.exists() and not path.is_file()
    return _opened(path) if special else atomic_file(path.resolve())


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    with disk_faults(path), path.open("wb") as file:
        yield file
