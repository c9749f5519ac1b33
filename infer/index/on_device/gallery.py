"""A gallery on a device: its rows in float32 and in float16, and what the best of them may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zscr.infer.index.exact import Gallery, Rows, Vectors
from zscr.infer.index.on_device.device import Array, Device
from zscr.infer.index.on_device.rounding import Bounds, Rounding, largest
from zscr.infer.runners.parts import parts_of

GROUP = 1 << 14  # rows of which the best are taken first, at most
_BLOCK = 1 << 22  # numbers that are copied at once
_NUMBERS = 1 << 26  # scores, and numbers of rows that are scored again, that are held at once
_WIDER, _SPARE = 4, 8  # as many times k, and so many more, that are compared in more digits
WORKING = 12 * _NUMBERS  # bytes: scores in float32, rows in float32, and what TopK makes of them


@dataclass(frozen=True, eq=False)
class Told:
    """Scores (B, C) as a device has them, and by how much (B, C) or (B, 1) they may be off."""

    scores: Array
    off: Bounds


@dataclass(frozen=True, eq=False)
class Candidates:
    """Rows among which the best k of B queries may be.

    Attributes:
        rows: (B, C); a row may be there twice.
        most: (B,) what every other row scores at most.
        told: what was assumed of their scores, to be compared with the true ones.
    """

    rows: Rows
    most: Bounds
    told: list[Told]


class DeviceGallery:
    """The rows of a gallery where they are multiplied.

    They are split into groups of one size, at most `group`. What the last group lacks, fewer rows
    than there are groups, is filled up with the first rows again: they may be found twice, and a
    row without meaning would need a score below all others.
    """

    def __init__(self, device: Device, vectors: Gallery, group: int = GROUP) -> None:
        """Copy a gallery (N, D), N >= 1, to a device.

        Args:
            device: that multiplies; vectors: the rows; group: how many make a group, at most.

        Raises:
            CudaError: they do not fit.
        """
        self._device, self.count, self.dim = device, len(vectors), int(vectors.shape[1])
        groups, self._size = split(self.count, group)
        self._all = groups * self._size
        shape, kinds = (self._all, self.dim), {"half": np.float16, "full": np.float32}
        self._held = {name: device.empty(shape, kind) for name, kind in kinds.items()}
        self._held["starts"] = device.empty((1, groups, 1), np.int64)
        self._held["starts"].write(0, self._size * np.arange(groups)[None, :, None])
        self._grid = np.array([0, groups, self._size])
        self._rounding = largest([*self._copied(vectors)])

    def _copied(self, vectors: Gallery) -> Iterator[Rounding]:
        """Write the rows, and yield what rounding to float16 makes of each block."""
        step = max(1, _BLOCK // self.dim)
        for start in range(0, self._all, step):
            rows = np.arange(start, min(start + step, self._all)) % self.count
            full = vectors[rows].astype(np.float32, copy=False)
            half = full.astype(np.float16)
            self._held["half"].write(start, half)
            self._held["full"].write(start, full)
            yield Rounding.of(full, half)

    def at_once(self, k: int) -> int:
        """Return how many queries fit at once: a power of two."""
        most = max(1, _NUMBERS // max(self._all, self._wide(k) * self.dim))
        return int(2 ** (most.bit_length() - 1))

    def by_half(self, queries: Vectors, k: int) -> Candidates:
        """Return rows with the best float16 products: those of them that float32 finds best."""
        asked, wide = queries.astype(np.float16), self._wide(k)
        rows, near, scores = self._run("by_half", wide, queries=queries, asked=asked)
        off, off_half = self._rounding.by_full(queries), self._rounding.by_half(queries, asked)
        above = np.nextafter(near.min(1), np.float16(np.inf)).astype(np.float64)
        most = self._beyond(wide, above + off_half)
        if (kept := k + _SPARE) < wide:
            best = np.argpartition(-scores, kept - 1, 1)[:, :kept]
            rows, near, scores = (np.take_along_axis(one, best, 1) for one in (rows, near, scores))
            most = np.maximum(most, scores.min(1) + off)
        told = [Told(scores, off[:, None]), Told(near, off_half[:, None] + np.spacing(abs(near)))]
        return Candidates(rows % self.count, most, told)

    def by_full(self, queries: Vectors, k: int) -> Candidates:
        """Return rows with the best float32 products."""
        wide = self._wide(k)
        rows, scores = self._run("by_full", wide, queries=queries)
        off = self._rounding.by_full(queries)
        most = self._beyond(wide, scores.min(1) + off)
        return Candidates(rows % self.count, most, [Told(scores, off[:, None])])

    def _wide(self, k: int) -> int:
        return min(self._all, _WIDER * k + _SPARE)

    def _beyond(self, wide: int, most: Bounds) -> Bounds:
        """Return what the rows beyond the best so many score at most, if there are any."""
        return most if wide < self._all else np.full_like(most, -np.inf)

    def _run(self, graph: str, wide: int, **asked: Array) -> list[Array]:
        """Run a graph for queries, with the last repeated up to a power of two.

        onnxruntime keeps what it has computed in: so many sizes would not fit into one another.
        """
        first = min(wide, self._size)
        sizes = {"grid": self._grid, "first": np.array([first]), "wide": np.array([wide])}
        [part] = parts_of(asked, asked, 1 << len(asked["queries"]).bit_length())
        return part.own(self._device.run(graph, self._held, {**part.feeds, **sizes}))


def split(count: int, group: int) -> tuple[int, int]:
    """Return how many groups of at most so many rows there are of N >= 1, and their size."""
    groups = -(-count // group)
    return groups, -(-count // groups)


def bytes_of(count: int, dim: int) -> int:
    """Return what a gallery takes of a device's memory while it is searched, at most."""
    groups, size = split(count, GROUP)
    return (4 + 2) * groups * size * dim + WORKING
