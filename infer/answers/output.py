"""Where answers go: stdout, or a file that is there whole or not at all."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TextIO

from zscr.disk import disk_faults
from zscr.errors import ConfigError
from zscr.partial import asked_file

# An answer is out as soon as it is written, whoever waits for it behind a pipe; half a character,
# as in a name from the disk that is not UTF-8, is escaped.
_TEXT: dict[str, Any] = {"errors": "backslashreplace", "line_buffering": True}


@contextmanager
def open_output(path: Path | None) -> Iterator[TextIO]:
    """Yield stdout, or a stream that replaces the file `path` when the block succeeds; both UTF-8.

    Raises:
        ConfigError: nothing can be written there.
        ArtefactError: the disk is full. What a file held before, it still holds.
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
            file = stack.enter_context(asked_file(path))
        except OSError as error:
            raise ConfigError(
                f"{path} cannot be written ({error.strerror}); name another place"
            ) from error
        text = io.TextIOWrapper(file, "utf-8", newline="\n", **_TEXT)
        yield text
        text.detach()
