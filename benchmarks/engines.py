"""The libraries that search is compared with, each behind the same few calls."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from zscr.infer.index.choice import EF_CONSTRUCTION, M
from zscr.infer.index.exact import search_exact
from zscr.infer.index.hnsw_order import reordered
from zscr.infer.index.index import Entry, Index

HNSW = f"M {M}, ef_construction {EF_CONSTRUCTION}"


class Engine:
    """An index of vectors (N, D), which is asked for the rows with the highest products."""

    name: ClassVar[str]
    package: ClassVar[str]  # as pip calls it
    module: ClassVar[str]
    effort: ClassVar[str | None] = None  # what is tuned
    how: str = ""

    @classmethod
    def is_there(cls) -> bool:
        """Say whether its library is installed."""
        return find_spec(cls.module) is not None

    def try_harder(self, effort: int) -> None:
        """Set what is tuned."""

    def ask(self, queries: Any, k: int) -> Any:
        """Answer queries (B, D) as its users would have it do."""
        raise NotImplementedError

    def rows(self, queries: Any, k: int) -> Any:
        """Return the rows (B, k) of an answer."""
        return self.ask(queries, k)

    def size(self) -> int:
        """Return the bytes that it takes on the disk."""
        raise NotImplementedError


class Zscr(Engine):
    """An index of zscr, which tunes itself; answers are `Match`es with entries."""

    name, package, module = "zscr", "hnswlib", "hnswlib"

    def __init__(self, work: Path, vectors: Any, sample: Any, threads: int) -> None:
        entries = [
            Entry(f"{row}", f"{row:064x}", f"/photos/{row}.jpg") for row in range(len(vectors))
        ]
        Index.create(
            work / "index",
            space="s",
            bundle_name="synthetic",
            entries=entries,
            vectors=vectors,
            queries=sample,
            threads=threads,
        )
        self.index = Index.open(work / "index")  # as its users do
        self.how = self.index.how
        self._row = {entry.id: row for row, entry in enumerate(entries)}
        self._size = sum(path.stat().st_size for path in self.index.folder.iterdir())

    def ask(self, queries: Any, k: int) -> Any:
        """Answer as `Index.search`."""
        return self.index.search(queries, k)

    def rows(self, queries: Any, k: int) -> Any:
        """Return the rows of the images that were found."""
        return np.array([[self._row[m.entry.id] for m in one] for one in self.ask(queries, k)])

    def size(self) -> int:
        """Entries included."""
        return self._size


class Exact(Engine):
    """zscr's exact search, without entries."""

    name, package, module = "exact", "numpy", "numpy"

    def __init__(self, vectors: Any, threads: int) -> None:
        self.how, self.vectors = "every product, in float32, the best again in float64", vectors

    def ask(self, queries: Any, k: int) -> Any:
        """Search all."""
        return search_exact(self.vectors, queries, k).rows

    def size(self) -> int:
        """The vectors alone."""
        return int(self.vectors.nbytes)


class Hnswlib(Engine):
    """hnswlib, built as zscr builds it."""

    name, package, module, effort = "hnswlib", "hnswlib", "hnswlib", "ef"
    seed = 100

    def __init__(self, vectors: Any, threads: int) -> None:
        import hnswlib

        self.how, self.index = HNSW, hnswlib.Index("ip", vectors.shape[1])
        self.index.init_index(len(vectors), M, EF_CONSTRUCTION, random_seed=self.seed)
        self.index.add_items(vectors, num_threads=threads)

    def try_harder(self, effort: int) -> None:
        """Set ef."""
        self.index.set_ef(effort)

    def ask(self, queries: Any, k: int) -> Any:
        """Search on one thread."""
        return self.index.knn_query(queries, k, num_threads=1)[0]

    def size(self) -> int:
        """Of its file."""
        return int(self.index.index_file_size())


class HnswlibOrdered(Hnswlib):
    """The same graph with its nodes in the order in which zscr writes them."""

    name = "hnswlib, in zscr's order"

    def __init__(self, vectors: Any, threads: int) -> None:
        super().__init__(vectors, threads)
        with tempfile.TemporaryDirectory() as work:
            path, dim = Path(work) / "hnsw.bin", vectors.shape[1]
            self.index.save_index(str(path))
            content = memoryview(path.read_bytes())
            path.write_bytes(b"".join(reordered(content, dim, M, EF_CONSTRUCTION)))
            self.index = type(self.index)("ip", dim)
            self.index.load_index(str(path))


class FaissHnsw(Engine):
    """faiss's HNSW over the vectors as they are."""

    name, package, module, effort = "faiss HNSW", "faiss-cpu", "faiss", "efSearch"

    def __init__(self, vectors: Any, threads: int) -> None:
        import faiss

        self.how, self.faiss = HNSW, faiss
        faiss.omp_set_num_threads(threads)
        self.index = self.made(vectors.shape[1])
        self.index.add(vectors)
        faiss.omp_set_num_threads(1)

    def made(self, dim: int) -> Any:
        """Return the empty index."""
        index = self.faiss.IndexHNSWFlat(dim, M, self.faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = EF_CONSTRUCTION
        return index

    def try_harder(self, effort: int) -> None:
        """Set efSearch."""
        self.index.hnsw.efSearch = effort

    def ask(self, queries: Any, k: int) -> Any:
        """Search on one thread."""
        return self.index.search(queries, k)[1]

    def size(self) -> int:
        """Of its file."""
        return len(self.faiss.serialize_index(self.index))


class FaissFlat(FaissHnsw):
    """faiss's exact search."""

    name, effort = "faiss flat", None

    def made(self, dim: int) -> Any:
        """Return the empty index."""
        self.how = "every product"
        return self.faiss.IndexFlatIP(dim)


class Usearch(Engine):
    """usearch in float32."""

    name, package, module, effort = "usearch", "usearch", "usearch", "expansion_search"

    def __init__(self, vectors: Any, threads: int) -> None:
        from usearch.index import Index as Own

        self.how = f"connectivity {M}, expansion_add {EF_CONSTRUCTION}, float32"
        about = {"metric": "ip", "dtype": "f32", "connectivity": M}
        self.index = Own(ndim=vectors.shape[1], expansion_add=EF_CONSTRUCTION, **about)
        self.index.add(np.arange(len(vectors)), vectors, threads=threads)

    def try_harder(self, effort: int) -> None:
        """Set expansion_search."""
        self.index.expansion_search = effort

    def ask(self, queries: Any, k: int) -> Any:
        """Search on one thread."""
        return np.atleast_2d(self.index.search(queries, k, threads=1).keys).astype(np.int64)

    def size(self) -> int:
        """Of its file."""
        return int(self.index.serialized_length)


class Turbovec(Engine):
    """turbovec's scan of 4-bit codes, the best of which are scored again with the vectors."""

    name, package, module, effort = "turbovec, 4 bits", "turbovec", "turbovec", "scored again"

    def __init__(self, vectors: Any, threads: int) -> None:
        import turbovec

        self.how, self.vectors, self.scored = "calibrated on 10,000 rows", vectors, 0
        self.index = turbovec.TurboQuantIndex(vectors.shape[1], 4)
        self.index.calibrate(vectors[:10_000])
        self.index.add(vectors)
        self.index.prepare()

    def try_harder(self, effort: int) -> None:
        """Set how many are scored again."""
        self.scored = effort

    def ask(self, queries: Any, k: int) -> Any:
        """Scan the codes, then score the best by their vectors."""
        _, near = self.index.search(queries, max(k, self.scored))
        near = near.astype(np.int64)
        scores = np.einsum("bd,bkd->bk", queries, self.vectors[near])
        return np.take_along_axis(near, np.argsort(-scores, axis=1)[:, :k], 1)

    def size(self) -> int:
        """Of its codes and of the vectors."""
        return len(self.index.to_bytes()) + int(self.vectors.nbytes)


ENGINES: tuple[type[Engine], ...] = (
    Hnswlib,
    HnswlibOrdered,
    FaissHnsw,
    Usearch,
    Turbovec,
    FaissFlat,
    Exact,
)
