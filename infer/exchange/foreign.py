"""Vectors that other tools have left in plain files; the bundle of their space must be named.

Two layouts: `vectors.npy` with `ids.txt` (an id a line) or `entries.jsonl` (as zscr exports it),
and the folders `img_emb` and `metadata` that `clip-retrieval inference` writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from zscr.errors import InputError
from zscr.extras import require_extras
from zscr.infer.exchange.gallery import ROWS, About, Block, Gallery
from zscr.infer.exchange.npy import VECTORS, matrix
from zscr.infer.exchange.rows import UNKNOWN
from zscr.infer.exchange.sidecars import ENTRIES, read_blocks
from zscr.infer.index.index import Entry
from zscr.regular import open_regular

IDS = "ids.txt"
EMBEDDINGS, METADATA = "img_emb", "metadata"  # of clip-retrieval


def read_plain(folder: Path) -> Gallery:
    """Read `vectors.npy` and its ids.

    Raises:
        InputError: a file is missing or holds something else.
    """
    vectors = matrix(folder / VECTORS)
    about = About(len(vectors), vectors.shape[1])
    if (folder / ENTRIES).exists():
        return Gallery(about, lambda: read_blocks(folder, about, vectors))
    if not (folder / IDS).exists():
        raise InputError(f"{folder} has neither {IDS} nor {ENTRIES}; write an id a line into one")
    with open_regular(folder / IDS) as file:
        try:
            names = file.read().decode().removesuffix("\n").split("\n")
        except UnicodeDecodeError as error:
            raise InputError(f"{folder / IDS} is not UTF-8 ({error}); write it in UTF-8") from error
    if len(names) != len(vectors):
        raise InputError(f"{folder} has {len(vectors)} vectors and {len(names)} ids in {IDS}")
    entries = [Entry(name.removesuffix("\r"), UNKNOWN) for name in names]

    def blocks() -> Iterator[Block]:
        for start in range(0, len(entries), ROWS):
            part = slice(start, start + ROWS)
            yield Block(entries[part], np.asarray(vectors[part], np.float32))

    return Gallery(about, blocks)


def read_clip_retrieval(folder: Path) -> Gallery:
    """Read what `clip-retrieval inference` wrote: ids are image paths, texts are attributes.

    Raises:
        InputError: an embedding has no metadata, or a file holds something else.
        MissingExtraError: pyarrow is not installed.
    """
    require_extras("the folders of clip-retrieval", "parquet")
    parts = [(matrix(p), _table(folder, p)) for p in sorted((folder / EMBEDDINGS).glob("*.npy"))]
    if not parts:
        raise InputError(f"{folder / EMBEDDINGS} has no .npy file")
    about = About(sum(len(rows) for rows, _ in parts), parts[0][0].shape[1])

    def blocks() -> Iterator[Block]:
        for rows, path in parts:
            entries = list(_described(path))
            if len(entries) != len(rows):
                raise InputError(f"{path} has {len(entries)} rows for {len(rows)} embeddings")
            for start in range(0, len(entries), ROWS):
                part = slice(start, start + ROWS)
                yield Block(entries[part], np.asarray(rows[part], np.float32))

    return Gallery(about, blocks)


def _table(folder: Path, embeddings: Path) -> Path:
    """Return the metadata of one file: of img_emb_007.npy, metadata_007.parquet."""
    number = embeddings.stem.removeprefix("img_emb_")
    path = folder / METADATA / f"metadata_{number}.parquet"
    if not path.is_file():
        raise InputError(f"{embeddings} has no metadata: {path} is missing")
    return path


def _described(path: Path) -> Iterator[Entry]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table: Any = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is no sound Parquet file ({error})") from error
    for row in table.to_pylist():
        place = row.pop("image_path", None)
        if not isinstance(place, str) or not place:
            raise InputError(f"{path} has an image without an image_path")
        said = {name: value for name, value in row.items() if isinstance(value, str)}
        yield Entry(place, UNKNOWN, place, said)
