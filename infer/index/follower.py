"""Following an index that other processes change: a look costs one call to the file system."""

from __future__ import annotations

import os
import time

from zscr.artefact import MANIFEST
from zscr.errors import ArtefactError
from zscr.infer.index.index import Index

_AGAIN = 5.0  # seconds until a damaged index, which may be being copied, is read again


class Follower:
    """Keeps an open index at the generation that is current on the disk."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self._manifest = str(index.folder / MANIFEST)  # looked at before each batch
        self._stamp: tuple[int, ...] | None = None  # of the manifest that was seen last
        self._fault: str | None = None
        self._retry = 0.0

    def look(self) -> str | None:
        """Read the index again if it has changed.

        Returns:
            Why the generation on the disk cannot be used, in one sentence, while the one in memory
            goes on; or None.
        """
        stamp = self._stamped()
        if stamp == self._stamp and (self._fault is None or time.monotonic() < self._retry):
            return self._fault
        self._stamp, self._fault = stamp, None
        try:
            self.index.reread()
        except (ArtefactError, OSError) as error:
            self._retry = time.monotonic() + _AGAIN
            self._fault = f"answered from generation {self.index.generation}: {error}"
        return self._fault

    def _stamped(self) -> tuple[int, ...]:
        try:
            now = os.stat(self._manifest)
        except OSError:
            return ()
        return now.st_ino, now.st_mtime_ns, now.st_size
