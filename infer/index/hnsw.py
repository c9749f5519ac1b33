"""Approximate search over an hnswlib index (HNSW: Malkov & Yashunin, arXiv:1603.09320).

hnswlib trusts the file that it loads: one wrong number crashes the process. So it is given nothing
but bytes that `check_hnsw_file` has proved against the gallery's vectors.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from zscr.errors import ArtefactError
from zscr.extras import require_extras
from zscr.infer.index.exact import Hits, Rows, Vectors, no_hits, rank, search_exact
from zscr.infer.index.hnsw_file import check_hnsw_file

M = 16  # links a node and layer
EF_CONSTRUCTION = 200
_SEED = 100


class Hnsw:
    """HNSW over unit vectors; its labels are the gallery's row numbers."""

    def __init__(self, index: Any, count: int) -> None:
        self._index = index
        self.count = count

    @classmethod
    def build(cls, vectors: Vectors, *, threads: int) -> Hnsw:
        """Build over `vectors` (N, D); with one thread, the same vectors give the same bytes.

        Raises:
            MissingExtraError: hnswlib is not installed.
        """
        index = _new(vectors.shape[1])
        index.init_index(len(vectors), M, EF_CONSTRUCTION, random_seed=_SEED)
        hnsw = cls(index, len(vectors))
        hnsw.update(vectors, np.arange(len(vectors)), threads=threads)
        return hnsw

    @classmethod
    def load(cls, content: bytearray, vectors: Vectors, *, room: int = 0) -> Hnsw:
        """Load HNSW over `vectors` (N, D) from the bytes of its file, with room for more.

        Raises:
            MissingExtraError: hnswlib is not installed.
            ValueError: they are not what hnswlib writes of these vectors.
        """
        check_hnsw_file(content, vectors, M, EF_CONSTRUCTION)
        index = _new(vectors.shape[1])
        with _as_file(content) as path:  # hnswlib reads paths alone
            index.load_index(path, max_elements=len(vectors) + room)
        return cls(index, len(vectors))

    def update(self, vectors: Vectors, rows: Rows, *, threads: int) -> None:
        """Insert or move the given `rows` of the gallery's `vectors` (N, D)."""
        self._index.add_items(vectors[rows], rows, num_threads=threads)
        self.count = len(vectors)

    def save(self, path: Path) -> None:
        """Write it.

        Raises:
            ArtefactError: the file came out short; hnswlib itself does not notice a full disk.
        """
        self._index.save_index(str(path))
        wanted = self._index.index_file_size()
        written = path.stat().st_size if path.exists() else 0
        if written != wanted:
            raise ArtefactError(
                f"only {written} of {wanted} bytes of {path} were written, nothing was changed; "
                f"free some space on that disk and run the same command again"
            )

    def search(
        self, vectors: Vectors, queries: Vectors, k: int, ef: int, *, threads: int = 1
    ) -> Hits:
        """Return the min(k, N) nearest rows of each query (B, D), scored as exact search does.

        A query for which HNSW reaches fewer rows than that is answered by exact search.
        """
        k = min(k, self.count)
        self._index.set_ef(max(ef, k))
        hits = no_hits(len(queries), k)
        for row, found in enumerate(self._candidates(queries, k, threads)):
            if found is None:
                exact = search_exact(vectors, queries[row : row + 1], k)
                hits.rows[row], hits.scores[row] = exact.rows[0], exact.scores[0]
            else:
                rank([(vectors, queries)], found, hits, row)
        return hits

    def _candidates(self, queries: Vectors, k: int, threads: int) -> list[Rows | None]:
        """Return k rows a query, None where HNSW cannot reach as many."""
        try:
            labels, _ = self._index.knn_query(queries, k, num_threads=threads)
        except RuntimeError as error:
            if "contiguous 2D array" not in str(error):  # hnswlib's words for "fewer than k"
                raise
            if len(queries) == 1:
                return [None]
            one_by_one = [self._candidates(query[None], k, 1) for query in queries]
            return [found for [found] in one_by_one]
        if labels.size and labels.max() >= self.count:
            raise ArtefactError(
                f"HNSW names row {labels.max()} of a gallery of {self.count}; make the index anew"
            )
        return list(labels.astype(np.int64))


@contextmanager
def _as_file(content: bytearray) -> Iterator[str]:
    """Yield the path of a file in memory, which nobody else can change, with these bytes."""
    with os.fdopen(os.memfd_create("hnsw"), "wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) or 0 :]
        yield f"/proc/self/fd/{file.fileno()}"


def _new(dim: int) -> Any:
    require_extras("HNSW", "hnsw")
    import hnswlib

    # Unit vectors make the inner product the cosine; hnswlib's own "cosine" would normalise again.
    return hnswlib.Index(space="ip", dim=dim)
