"""Images without captions, referred to where they lie: files, and members of tar shards.

A collection may have such a corpus in place of items. `corpus/parts.jsonl` has a row a part, and a
file of rows an image; no pixel is copied, and millions of images take no memory but a part's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from zscr.artefact import Manifest, dump_jsonl, verify
from zscr.data.draft import Draft
from zscr.data.records import read_table
from zscr.errors import CollectionError
from zscr.names import name_fault
from zscr.schema import Check, integer, one_of, record, text

PARTS = "corpus/parts.jsonl"
FOLDER, TAR = KINDS = ("folder", "tar")
LARGEST = 1 << 28  # bytes of an image's file, which is read as a whole
_SHORTEST = 40  # bytes of an image's row: so many images has a list at most
_WHOLE = integer(0, 1 << 62)
_PART: Check = record(
    {
        "kind": one_of(*KINDS),
        "source": text(4096),
        "bytes": _WHOLE,
        "modified": _WHOLE,
        "images": integer(1, 1 << 40),
        "members": text(200),
    }
)
_MEMBER: Check = record(
    {
        "name": text(4096),
        "bytes": integer(0, LARGEST),
        "offset": _WHOLE,
        "modified": _WHOLE,
    }
)


@dataclass(frozen=True)
class Member:
    """One image of a part.

    Attributes:
        name: its path below the part's folder, or in the shard.
        bytes: of its file, from `offset` on where it lies in a shard.
        modified: nanoseconds; of a file of its own.
    """

    name: str
    bytes: int
    offset: int = 0
    modified: int = 0


@dataclass(frozen=True)
class Part:
    """A tar shard, or some thousand files below a folder.

    Attributes:
        source: where it lies, an absolute path.
        bytes, modified: of a shard: it must not have changed since it was listed.
        images: their number; members: the file that lists them.
    """

    kind: str
    source: str
    bytes: int
    modified: int
    images: int
    members: str


@dataclass(frozen=True)
class Corpus:
    """The parts of a collection that has no items.

    Attributes:
        every: one image of so many is for validation, the first of them; the others are seen.
    """

    folder: Path
    manifest: Manifest
    parts: tuple[Part, ...]
    every: int

    @property
    def images(self) -> int:
        """The number of all."""
        return sum(part.images for part in self.parts)

    def count(self, split: str) -> int:
        """Return the number of images of a split."""
        val = -(-self.images // self.every)
        return {"seen": self.images - val, "val": val}.get(split, 0)

    def members(self, part: Part) -> list[Member]:
        """Read the images of a part, after checking their list and that the part is as it was.

        Raises:
            ArtefactError: the list is damaged.
            CollectionError: it is in no such format, or the shard has changed.
        """
        verify(self.folder, self.manifest, [part.members])
        found = [*read_table(self.folder / part.members, _member, "image")]
        if len(found) != part.images:
            raise CollectionError(
                f"{self.folder / part.members} lists {len(found)} images, not {part.images}; "
                f"convert the images again"
            )
        if part.kind == TAR:
            require_unchanged(Path(part.source), part.bytes, part.modified)
        return found


def require_unchanged(path: Path, size: int, modified: int) -> None:
    """Refuse a file that is not there or not as it was listed.

    Raises:
        CollectionError: says so.
    """
    try:
        found = os.stat(path)
    except OSError as error:
        raise CollectionError(
            f"{path} cannot be read ({error.strerror}); put it back, or convert the images again"
        ) from error
    if (found.st_size, found.st_mtime_ns) != (size, modified):
        raise CollectionError(f"{path} has changed since it was listed; convert the images again")


def read_corpus(folder: Path, manifest: Manifest) -> Corpus | None:
    """Read the parts of a collection; None where it has none.

    Raises:
        ArtefactError, CollectionError: they are damaged, or not in the format.
    """
    if PARTS not in manifest.files:
        return None
    verify(folder, manifest, [PARTS])
    parts = tuple(read_table(folder / PARTS, _part, "part"))
    every = manifest.body.get("val_every")
    if not parts or not isinstance(every, int) or every < 2:
        raise CollectionError(f"{folder} has no parts, or no val_every; convert the images again")
    for part in parts:
        about = manifest.files.get(part.members)
        if about is None or part.images * _SHORTEST > int(about["bytes"]):
            raise CollectionError(
                f"{folder} has no list {part.members} of {part.images} images; convert them again"
            )
    return Corpus(folder, manifest, parts, every)


class CorpusWriter:
    """Writes the parts of a corpus into a draft, one after the other."""

    def __init__(self, draft: Draft, every: int) -> None:
        self.draft, self.images, self._parts = draft, 0, list[Part]()
        draft.stage.body["val_every"] = every
        (draft.folder / "corpus").mkdir()

    def add(self, kind: str, source: Path, members: list[Member]) -> None:
        """Add a part, unless it has no image."""
        if not members:
            return
        name = f"corpus/{len(self._parts):06d}.jsonl"
        (self.draft.folder / name).write_bytes(dump_jsonl(map(asdict, members)))
        about = source.stat() if kind == TAR else None
        size, modified = (about.st_size, about.st_mtime_ns) if about else (0, 0)
        self._parts.append(Part(kind, str(source), size, modified, len(members), name))
        self.images += len(members)

    def close(self) -> None:
        """Write the list of parts."""
        (self.draft.folder / PARTS).write_bytes(dump_jsonl(map(asdict, self._parts)))


def _part(row: dict[str, Any]) -> Part:
    _PART(row, "")
    return Part(**{name: row[name] for name in Part.__dataclass_fields__})


def _member(row: dict[str, Any]) -> Member:
    _MEMBER(row, "")
    if fault := name_fault(row["name"]):
        raise ValueError(f"its name {fault}")
    return Member(**{name: row[name] for name in Member.__dataclass_fields__})


def split_mask(first: int, count: int, every: int, split: str) -> Iterator[bool]:
    """Yield of the images `first`, `first` + 1, … whether each is of a split."""
    for number in range(first, first + count):
        yield (number % every == 0) == (split == "val")
