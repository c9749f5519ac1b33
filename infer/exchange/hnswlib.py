"""An HNSW that hnswlib loads by itself: `index.bin`, whose labels are the rows of the sidecars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from zscr.errors import ArtefactError, InputError
from zscr.extras import require_extras
from zscr.infer.exchange.gallery import ROWS, Block, Gallery
from zscr.infer.exchange.sidecars import new_folder, read_blocks, read_folder

GRAPH = "index.bin"
M, EF_CONSTRUCTION = 16, 200  # links a node and layer; candidates while it is built
EF = 128  # to search with: hnswlib forgets it, and takes 10 unless it is set
_SEED = 100


def write(gallery: Gallery, out: Path, *, threads: int) -> None:
    """Build the graph and write the folder `out`; with one thread, the same rows give one file.

    Raises:
        ArtefactError: `out` exists already, or the disk is full. Nothing is left behind.
        MissingExtraError: hnswlib is not installed.
    """
    require_extras("the format hnswlib", "hnsw")
    import hnswlib

    about = gallery.about
    told = {"file": GRAPH, "metric": "ip", "M": M, "ef_construction": EF_CONSTRUCTION, "ef": EF}
    with new_folder(gallery, out, "hnswlib", **told) as stage:
        graph = hnswlib.Index(space="ip", dim=about.dim)
        graph.init_index(about.count, M, EF_CONSTRUCTION, random_seed=_SEED)
        done = 0
        for block in gallery.watched("building HNSW"):
            labels = np.arange(done, done + len(block.entries))
            graph.add_items(block.vectors, labels, num_threads=threads)
            done += len(labels)
        path = stage.folder / GRAPH
        graph.save_index(str(path))
        _whole(path, graph.index_file_size())


def read(folder: Path) -> Gallery:
    """Read such a folder, whose files are checked before hnswlib parses one.

    Raises:
        ArtefactError: a file is missing or damaged.
        InputError: it does not hold what it says.
        MissingExtraError: hnswlib is not installed.
    """
    require_extras("the format hnswlib", "hnsw")
    import hnswlib

    about, _ = read_folder(folder)
    graph = hnswlib.Index(space="ip", dim=about.dim)
    try:
        graph.load_index(str(folder / GRAPH))
    except RuntimeError as error:
        raise InputError(f"{folder / GRAPH} is none of hnswlib's ({error})") from error
    if graph.element_count != about.count:
        raise InputError(f"{folder} has {graph.element_count} nodes, not {about.count}")

    def blocks() -> Iterator[Block]:
        rows = np.empty((about.count, about.dim), np.float32)
        for start in range(0, about.count, ROWS):
            labels = np.arange(start, min(start + ROWS, about.count))
            rows[labels] = graph.get_items(labels)
        return read_blocks(folder, about, rows)

    return Gallery(about, blocks)


def _whole(path: Path, wanted: int) -> None:
    """Refuse a file that came out short, which hnswlib does not notice.

    Raises:
        ArtefactError: it did.
    """
    written = path.stat().st_size if path.exists() else 0
    if written != wanted:
        raise ArtefactError(
            f"only {written} of {wanted} bytes of {path.name} were written; free some space on "
            f"that disk and run the same command again"
        )
