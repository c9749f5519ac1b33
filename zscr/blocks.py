"""Files that are read where they are needed: mapped, and proved block by block before any use.

A file's blocks of 4 MiB have a sha256 each. A block is hashed when the first of its bytes is asked
for and never again, so an open costs what is read and not what is there.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from io import IOBase
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from zscr.errors import ArtefactError, InputError
from zscr.proven import CONTENT, identity, is_proven, remember
from zscr.regular import open_regular

BLOCK = 4 << 20  # bytes
DIGEST = hashlib.sha256().digest_size


class BlockWriter:
    """Writes a file and hashes it on the way, the whole and each block."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._whole, self._block = hashlib.sha256(), hashlib.sha256()
        self._digests: list[bytes] = []
        self.size = 0

    def write(self, content: bytes | memoryview) -> None:
        """Write bytes behind those that were written."""
        view = memoryview(content).cast("B")
        self._file.write(view)
        self._whole.update(view)
        while view:
            part = view[: BLOCK - self.size % BLOCK]
            self._block.update(part)
            self.size += len(part)
            view = view[len(part) :]
            if self.size % BLOCK == 0:
                self._close_block()

    @property
    def sha256(self) -> str:
        """Of all that was written, as hex."""
        return self._whole.hexdigest()

    def digests(self) -> npt.NDArray[np.uint8]:
        """Return the sha256 of each block (B, 32), the last of which may be short."""
        if self.size % BLOCK:
            self._close_block()
        return np.frombuffer(b"".join(self._digests), np.uint8).reshape(-1, DIGEST)

    def _close_block(self) -> None:
        self._digests.append(self._block.digest())
        self._block = hashlib.sha256()


class MappedFile:
    """The bytes of a file, mapped, and what is known of them.

    What another process writes into the file afterwards is seen, as it is by any program that maps
    one; zscr itself never writes into a file that has its name.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        """Map a file; a later commit may delete it.

        Args:
            path: of the file; sha256: that it should have.

        Raises:
            OSError: it is not there.
        """
        self.path, self._sha256 = path, sha256
        with open_regular(path) as file:
            self._seen = identity(file.fileno())
            self.content = map_bytes(file)

    @property
    def is_unchanged(self) -> bool:
        """Whether its path still leads to it, and nothing has changed it since it was mapped."""
        with suppress(OSError, InputError), open_regular(self.path) as file:
            return identity(file.fileno()).key == self._seen.key
        return False

    def is_proven(self, kind: str = CONTENT) -> bool:
        """Say whether something was proven of the file before; see `zscr.proven`."""
        return is_proven(self._seen, self._sha256, kind)

    def remember(self, kind: str = CONTENT) -> None:
        """Remember what was proven of all of the file.

        It is opened again for that: if it is the same and has not changed since it was mapped, then
        so are the bytes that were proven.
        """
        with suppress(OSError, InputError), open_regular(self.path) as file:
            remember(file.fileno(), self._seen, self._sha256, kind)


class BlockFile(MappedFile):
    """A mapped file with hashes of its blocks; `touch` proves those that are about to be used."""

    def __init__(self, path: Path, size: int, sha256: str, digests: Sequence[bytes]) -> None:
        """Map a file.

        Args:
            path: of the file.
            size: bytes that it must have; sha256: of all of them.
            digests: the sha256 of each of its blocks.

        Raises:
            ArtefactError: it has another size.
            OSError: it is not there.
        """
        super().__init__(path, sha256)
        found = len(self.content)
        if found != size or len(digests) != -(-size // BLOCK):
            raise ArtefactError(
                f"{path} has {found} bytes instead of {size}; copy the folder again or make it anew"
            )
        self._digests = digests
        self._left = set() if self.is_proven() else set(range(len(digests)))

    def touch(self, start: int, stop: int) -> None:
        """Prove the bytes from `start` to `stop`.

        Raises:
            ArtefactError: a block of them differs from what was written.
        """
        if self._left and start < stop:
            self._prove(range(start // BLOCK, -(-stop // BLOCK)))

    def touch_all(self) -> None:
        """Prove all of it."""
        self._prove(sorted(self._left))

    def read(self, start: int, stop: int) -> memoryview:
        """Return proved bytes."""
        self.touch(start, stop)
        return self.content[start:stop]

    def _prove(self, blocks: Iterable[int]) -> None:
        for block in blocks:
            if block in self._left:
                held = self.content[block * BLOCK : (block + 1) * BLOCK]
                if hashlib.sha256(held).digest() != self._digests[block]:
                    raise ArtefactError(
                        f"{self.path} is damaged: its block {block} of 4 MiB has not the sha256 "
                        f"that was written; copy the folder again or make it anew"
                    )
                self._left.discard(block)
                if not self._left:
                    self.remember()


def map_bytes(file: IOBase) -> memoryview:
    """Return the bytes of an open file; they stay when it is closed, or deleted."""
    if not os.fstat(file.fileno()).st_size:
        return memoryview(b"")
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
