"""An index that faiss reads by itself: `index.faiss`, whose ids are the rows of the sidecars."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zscr.disk import plain_file
from zscr.errors import InputError
from zscr.extras import require_extras
from zscr.infer.exchange.gallery import ROWS, Block, Gallery
from zscr.infer.exchange.sidecars import new_folder, read_blocks, read_folder

FILE = "index.faiss"
M, EF_CONSTRUCTION, EF = 16, 200, 128  # of --hnsw; faiss keeps all three


def write(gallery: Gallery, out: Path, *, hnsw: bool) -> None:
    """Write the folder `out`: an `IndexIDMap2` over exact search, or over HNSW.

    Raises:
        ArtefactError: `out` exists already, or the disk is full. Nothing is left behind.
        MissingExtraError: faiss is not installed.
    """
    faiss = _library()
    with new_folder(gallery, out, "faiss", file=FILE, metric="ip", hnsw=hnsw) as stage:
        rows = faiss.IndexIDMap2(_rows(faiss, gallery.about.dim, hnsw))
        done = 0
        for block in gallery.watched("building HNSW" if hnsw else "copying vectors"):
            ids = np.arange(done, done + len(block.entries))
            rows.add_with_ids(np.ascontiguousarray(block.vectors), ids)
            done += len(ids)
        with plain_file(stage.folder / FILE) as file:  # faiss itself overlooks a full disk
            faiss.write_index(rows, faiss.PyCallbackIOWriter(file.write))


def read(folder: Path) -> Gallery:
    """Read such a folder, whose files are checked before faiss parses one.

    Raises:
        ArtefactError: a file is missing or damaged.
        InputError: it does not hold what it says.
        MissingExtraError: faiss is not installed.
    """
    faiss = _library()
    about, _ = read_folder(folder)
    try:
        held = faiss.read_index(str(folder / FILE))
        order = faiss.vector_to_array(held.id_map)
    except (RuntimeError, AttributeError) as error:
        raise InputError(f"{folder / FILE} is no IndexIDMap2 of faiss ({error!r:.200})") from error
    if (held.ntotal, held.d) != (about.count, about.dim):
        raise InputError(f"{folder / FILE} holds {held.ntotal} x {held.d}, not as its manifest")
    if not np.array_equal(np.sort(order), np.arange(about.count)):
        raise InputError(f"the ids of {folder / FILE} are not the rows, each once")

    def blocks() -> Iterator[Block]:
        rows = np.empty((about.count, about.dim), np.float32)
        inner = faiss.downcast_index(held.index)  # which lives as long as `held`
        for start in range(0, about.count, ROWS):
            part = order[start : start + ROWS]
            rows[part] = inner.reconstruct_n(start, len(part))
        return read_blocks(folder, about, rows)

    return Gallery(about, blocks)


def _library() -> Any:
    require_extras("the format faiss", "faiss")
    import faiss

    return faiss


def _rows(faiss: Any, dim: int, hnsw: bool) -> Any:
    if not hnsw:
        return faiss.IndexFlatIP(dim)
    graph = faiss.IndexHNSWFlat(dim, M, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction, graph.hnsw.efSearch = EF_CONSTRUCTION, EF
    return graph
