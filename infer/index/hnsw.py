"""Approximate search over an hnswlib index (HNSW: Malkov & Yashunin, arXiv:1603.09320).

hnswlib trusts the file that it loads: one wrong number crashes the process. So it is given nothing
but bytes that `check_hnsw_file` has proved against the gallery's vectors.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.blocks import map_bytes
from zscr.errors import ArtefactError
from zscr.extras import require_extras
from zscr.infer.index.choice import EF_CONSTRUCTION, M
from zscr.infer.index.exact import Gallery, Hits, Rows, Vectors, answered
from zscr.infer.index.hnsw_file import Known, check_hnsw_file, node_count
from zscr.infer.index.hnsw_order import reordered

_SEED = 100
_BLOCK = 1 << 14  # vectors that are handed to hnswlib at once


@dataclass
class Loaded:
    """hnswlib's index, the labels (N,) that it has, ascending, and those that it is to hide."""

    index: Any
    labels: Rows
    hidden: Rows = field(default_factory=lambda: np.empty(0, np.int64))


class Hnsw:
    """HNSW over unit vectors, each with its label; it is loaded when it is first asked."""

    def __init__(self, load: Callable[[], Loaded]) -> None:
        self._load = load

    @cached_property
    def loaded(self) -> Loaded:
        """What is searched."""
        return self._load()

    @classmethod
    def build(cls, vectors: Gallery, labels: Rows | None = None, *, threads: int) -> Hnsw:
        """Build over `vectors` (N, D); with one thread, the same vectors give the same bytes.

        Args:
            vectors: unit rows; labels: (N,) of them, by default their numbers.
            threads: that build it.

        Raises:
            MissingExtraError: hnswlib is not installed.
        """
        index = _new(vectors.shape[1])
        index.init_index(len(vectors), M, EF_CONSTRUCTION, random_seed=_SEED)
        hnsw = cls(lambda: Loaded(index, np.empty(0, np.int64)))
        hnsw.add(vectors, np.arange(len(vectors)) if labels is None else labels, threads=threads)
        return hnsw

    @classmethod
    def load(
        cls,
        content: bytearray | memoryview,
        dim: int,
        known: Known,
        *,
        is_sound: Callable[[memoryview], bool] = lambda copy: False,
    ) -> Hnsw:
        """Load HNSW from the bytes of its file.

        Args:
            content: of the file; they are copied first, so that nobody changes them meanwhile.
            dim: of the vectors; known: see `check_hnsw_file`.
            is_sound: the copy -> whether it has passed that check before.

        Raises:
            MissingExtraError: hnswlib is not installed.
            ValueError: they are not what hnswlib writes of these vectors.
        """
        index = _new(dim)
        with _as_file(content) as (path, copy):  # hnswlib reads paths alone
            if not is_sound(copy):
                check_hnsw_file(copy, dim, known, M, EF_CONSTRUCTION)
            index.load_index(path, max_elements=node_count(copy))
        labels = np.sort(np.array(index.get_ids_list(), np.int64))
        return cls(lambda: Loaded(index, labels))

    def add(self, vectors: Gallery, labels: Rows, *, threads: int) -> None:
        """Insert vectors (N, D) under labels (N,) that it does not have."""
        index, wanted = self.loaded.index, len(self.loaded.labels) + len(labels)
        if wanted > index.get_max_elements():
            index.resize_index(wanted)
        for start in range(0, len(labels), _BLOCK):
            block = np.arange(start, min(start + _BLOCK, len(labels)))
            rows = vectors[block].astype(np.float32, copy=False)
            index.add_items(rows, labels[block], num_threads=threads)
        self.loaded.labels = np.union1d(self.loaded.labels, labels)

    def hide(self, labels: Rows) -> None:
        """Find vectors of these labels no more, as far as it has them."""
        now = self.loaded
        fresh = labels[_among(labels, now.labels) & ~_among(labels, now.hidden)]
        for label in fresh.tolist():
            now.index.mark_deleted(label)
        now.hidden = np.union1d(now.hidden, fresh)

    @property
    def is_loaded(self) -> bool:
        """Whether it was asked yet."""
        return "loaded" in self.__dict__

    @property
    def labels(self) -> Rows:
        """The labels (N,) that it has, ascending, those that are hidden among them."""
        return self.loaded.labels

    @property
    def count(self) -> int:
        """How many vectors it finds."""
        return len(self.loaded.labels) - len(self.loaded.hidden)

    def save(self, path: Path) -> None:
        """Write it, its nodes in the order of `hnsw_order`; a file has no hidden labels.

        Raises:
            ArtefactError: the file came out short; hnswlib itself does not notice a full disk.
        """
        index = self.loaded.index
        assert not self.loaded.hidden.size, "a file has no deleted nodes"
        index.save_index(str(path))
        wanted = index.index_file_size()
        written = path.stat().st_size if path.exists() else 0
        if written != wanted:
            raise ArtefactError(
                f"only {written} of {wanted} bytes of {path} were written, nothing was changed; "
                f"free some space on that disk and run the same command again"
            )
        with path.open("rb") as file:
            content = map_bytes(file)
        path.unlink()  # the map keeps what it held
        with path.open("xb") as file:
            file.writelines(reordered(content, index.dim, M, EF_CONSTRUCTION))

    def search(
        self, vectors: Gallery, queries: Vectors, k: int, ef: int, *, threads: int = 1
    ) -> Hits:
        """Return the min(k, N) nearest rows of each query (B, D), where labels are row numbers.

        They are scored as exact search does; a query for which HNSW reaches fewer is answered so.
        """
        k = min(k, len(vectors))
        rows = self.candidates(queries, k, ef, threads=threads)
        return answered(vectors, queries, rows, k)

    def candidates(self, queries: Vectors, k: int, ef: int, *, threads: int = 1) -> Rows:
        """Return the labels (B, min(k, count)) nearest to each query (B, D).

        -1 stands where it reaches fewer.
        """
        k = min(k, self.count)
        if not k or not len(queries):
            return np.full((len(queries), k), -1)
        index = self.loaded.index
        index.set_ef(max(ef, k))
        return self._reached(index, queries, k, threads)

    def _reached(self, index: Any, queries: Vectors, k: int, threads: int) -> Rows:
        try:
            labels, _ = index.knn_query(queries, k, num_threads=threads)
        except RuntimeError as error:
            if "contiguous 2D array" not in str(error):  # hnswlib's words for "fewer than k"
                raise
            if len(queries) == 1:
                return np.full((1, k), -1)
            return np.concatenate([self._reached(index, query[None], k, 1) for query in queries])
        found: Rows = labels.view(np.int64)
        return found


def _among(labels: Rows, held: Rows) -> npt.NDArray[np.bool_]:
    """Say which of the labels are among those that are held, ascending."""
    if not held.size:
        return np.zeros(len(labels), bool)
    near = held[np.minimum(np.searchsorted(held, labels), len(held) - 1)]
    return np.asarray(near == labels)


@contextmanager
def _as_file(content: bytearray | memoryview) -> Iterator[tuple[str, memoryview]]:
    """Yield the path of a file in memory, which nobody else can change, with these bytes."""
    with os.fdopen(os.memfd_create("hnsw"), "w+b", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) or 0 :]
        yield f"/proc/self/fd/{file.fileno()}", map_bytes(file)


def _new(dim: int) -> Any:
    require_extras("HNSW", "hnsw")
    import hnswlib

    # Unit vectors make the inner product the cosine; hnswlib's own "cosine" would normalise again.
    return hnswlib.Index(space="ip", dim=dim)
