"""What one commit adds to an index: rows that never change, and the labels of rows that it ends.

`segment.N.safetensors` holds, of C rows in the order in which they arrived:

    labels  (C,) int64      of each row; a label is given to a vector once and never again
    vectors (C, D)          float32 or float16: unit rows, which are searched
    raw     (C, D)          where these are diffused, the model's own
    features (C, F) float16 unit rows, where the gallery has such
    starts  (C + 1,) int64  where the line of each row begins in `entries`, and where the last ends
    entries (bytes,)        a line of JSON a row
    keys    (C,) int64      the first 8 bytes of the sha256 of each id, ascending
    order   (C,) int64      the rows in the order of `keys`
    removed (R,) int64      labels whose rows in earlier segments are no longer there, ascending

Beside one of over 4 MiB, `blocks.N.npy` holds the sha256 of its blocks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.blocks import BlockFile
from zscr.infer.index.exact import Rows
from zscr.infer.index.tensor import Chained, Gathered, Tensor

Array = npt.NDArray[Any]
_WIDE = ("vectors", "raw", "features")
_NUMBERS = ("labels", "starts", "keys", "order", "removed")
_NEEDED = {"vectors", "entries", *_NUMBERS}


@dataclass(frozen=True, eq=False)
class Segment:
    """Rows of an index that never change.

    Attributes:
        number: by which its files are called.
        wide: `vectors`, and `raw` and `features` where there are any.
        numbers: the other arrays.
        lines: the bytes of `entries`; file: that they are in, at `at`, if they are to be proved.
        in_hnsw: whether HNSW has its rows.
    """

    number: int
    wide: Mapping[str, Tensor | Gathered]
    numbers: Mapping[str, Rows]
    lines: Array | Chained
    file: BlockFile | None = None
    at: int = 0
    in_hnsw: bool = False

    @property
    def count(self) -> int:
        """Number of its rows, those included that later segments have ended."""
        return len(self.numbers["labels"])

    @property
    def labels(self) -> Rows:
        """Of its rows (C,)."""
        return self.numbers["labels"]

    @property
    def removed(self) -> Rows:
        """The labels (R,) whose rows in earlier segments it ends."""
        return self.numbers["removed"]

    def line(self, row: int) -> bytes:
        """Return the JSON of a row's entry.

        Raises:
            ArtefactError: it is damaged.
        """
        start, stop = self.numbers["starts"][row : row + 2].tolist()
        if self.file is not None:
            self.file.touch(self.at + start, self.at + stop)
        return self.lines[start:stop].tobytes()

    def find_keys(self, keys: Rows) -> tuple[Rows, Rows]:
        """Return where ids of these keys may be: which of the keys, and the row, of each match."""
        first = np.searchsorted(self.numbers["keys"], keys, "left")
        last = np.searchsorted(self.numbers["keys"], keys, "right")
        which = np.repeat(np.arange(len(keys)), last - first)
        places = np.arange(len(which)) - np.repeat(np.cumsum(last - first) - last, last - first)
        return which, self.numbers["order"][places]

    def find_labels(self, labels: Rows) -> Rows:
        """Return the row of each label, of any shape; -1 where it has none."""
        if self._first is not None:
            places = labels - self._first
            own = places.view(np.uint64) < self.count  # those below 0 are large then
            return places if np.count_nonzero(own) == own.size else np.where(own, places, -1)
        known, order = self._by_label
        places = np.searchsorted(known, labels)
        places[places == len(known)] = 0
        found = order[places] if len(known) else places - 1
        return np.where(known[places] == labels, found, -1) if len(known) else found

    @cached_property
    def _first(self) -> int | None:
        """The first label, where the others follow it one by one, as those of a first commit do."""
        labels = self.labels
        runs = labels.size and (labels == labels[0] + np.arange(len(labels))).all()
        return int(labels[0]) if runs else None

    @property
    def counts_from_0(self) -> bool:
        """Whether the label of each row is its place."""
        return self._first == 0

    @cached_property
    def _by_label(self) -> tuple[Rows, Rows]:
        order = np.argsort(self.labels, kind="stable")
        return self.labels[order], order

    @property
    def text(self) -> memoryview:
        """The lines of all of its entries, proved."""
        if self.file is not None:
            self.file.touch(self.at, self.at + self.lines.nbytes)
        return np.ascontiguousarray(self.lines[:]).data

    @property
    def keys(self) -> Rows:
        """Of the ids of its rows (C,), in their order."""
        keys = np.empty(self.count, np.int64)
        keys[self.numbers["order"]] = self.numbers["keys"]
        return keys

    def prove(self) -> None:
        """Hash what nobody has looked at yet, and look into it.

        Raises:
            ArtefactError: it is damaged, or holds what no rows are.
        """
        if self.file is not None:
            self.file.touch_all()
            for tensor in self.wide.values():
                tensor.all()

    @property
    def tensors(self) -> dict[str, Array | Tensor | Gathered | Chained]:
        """All that its file holds."""
        return {**self.numbers, **self.wide, "entries": self.lines}


def new_segment(
    number: int,
    labels: Rows,
    wide: Mapping[str, Array],
    lines: Sequence[bytes],
    keys: Rows,
    removed: Rows,
    *,
    in_hnsw: bool = False,
) -> Segment:
    """Make a segment in memory.

    Args:
        number: that no other of the index has had.
        labels: (C,) of its rows.
        wide: sound matrices of C rows by their names.
        lines: of the C entries; keys: (C,) of their ids.
        removed: labels that it ends, ascending.
        in_hnsw: whether HNSW has its rows.
    """
    text = np.frombuffer(b"".join(lines), np.uint8)
    lengths = np.array([len(line) for line in lines], np.int64)
    held = {name: Tensor(rows) for name, rows in wide.items()}
    return segment_of(number, labels, held, text, lengths, keys, removed, in_hnsw=in_hnsw)


def segment_of(
    number: int,
    labels: Rows,
    wide: Mapping[str, Tensor | Gathered],
    text: Array | Chained,
    lengths: Rows,
    keys: Rows,
    removed: Rows,
    *,
    in_hnsw: bool,
) -> Segment:
    """Make a segment of rows that may lie elsewhere yet.

    Args:
        number, labels, keys, removed, in_hnsw: see `new_segment`.
        wide: matrices of C rows by their names.
        text: the lines of the C entries one after the other; lengths: (C,) of them, in bytes.
    """
    order = np.argsort(keys, kind="stable").astype(np.int64)
    numbers = {"labels": labels, "keys": keys[order], "order": order, "removed": removed}
    numbers["starts"] = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Segment(number, wide, numbers, text, in_hnsw=in_hnsw)


def segment_from(
    number: int, file: BlockFile, tensors: Mapping[str, tuple[Array, int]], *, in_hnsw: bool
) -> Segment:
    """Make a segment of its file, whose rows are proved when they are used.

    Raises:
        ArtefactError: its numbers are damaged.
        ValueError: it lacks a tensor, or they contradict each other.
    """
    if not _NEEDED <= {*tensors} <= _NEEDED | {*_WIDE}:
        raise ValueError(f"{file.path.name} holds {sorted(tensors)}")
    numbers = dict[str, Rows]()
    for name in _NUMBERS:
        numbers[name], start = tensors[name]
        file.touch(start, start + numbers[name].nbytes)
    held = {name: tensors[name] for name in _WIDE if name in tensors}
    wide = {name: Tensor(rows, file, start) for name, (rows, start) in held.items()}
    lines, at = tensors["entries"]
    found = Segment(number, wide, numbers, lines, file, at, in_hnsw)
    _check(found, file.path.name)
    return found


def _check(segment: Segment, name: str) -> None:
    """Prove that the numbers of a file fit together: rows, lines and keys can be looked up."""
    numbers, count = segment.numbers, segment.count
    starts, order, keys = (numbers[one] for one in ("starts", "order", "keys"))
    wrong = [one for one, array in numbers.items() if array.dtype != np.int64 or array.ndim != 1]
    shapes = {len(tensor) for tensor in segment.wide.values()} | {len(order), len(keys)}
    whole = [
        shapes == {count} and len(starts) == count + 1 and not wrong,
        not wrong and starts[0] == 0 and starts[-1] == segment.lines.nbytes,
        _ascend(starts) and _ascend(keys),
        bool(((order >= 0) & (order < count)).all()) and _has_each(order),
        _ascend(segment.removed) and _are_unique(segment.removed),
        bool((segment.labels >= 0).all()) and _are_unique(segment.labels),
        segment.lines.ndim == 1 and segment.lines.dtype == np.uint8,
    ]
    if not all(whole):
        raise ValueError(f"the rows of {name} do not fit together")


def _ascend(numbers: Rows) -> bool:
    return bool((numbers[1:] >= numbers[:-1]).all())  # of keys, differences would overflow


def _has_each(order: Rows) -> bool:
    seen = np.zeros(len(order), bool)
    seen[order] = True
    return bool(seen.all())


def _are_unique(labels: Rows) -> bool:
    return bool((labels[1:] > labels[:-1]).all()) or len(np.unique(labels)) == len(labels)


def keys_of(ids: Sequence[str]) -> Rows:
    """Return the first 8 bytes of the sha256 of each id, as (N,) little-endian int64."""
    digests = b"".join(hashlib.sha256(one.encode()).digest()[:8] for one in ids)
    return np.frombuffer(digests, "<i8").astype(np.int64)
