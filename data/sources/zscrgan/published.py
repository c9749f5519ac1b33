"""Turns the pickles that ZSCRGAN's authors published into plain arrays, in a limited process.

`python -m zscr.data.sources.zscrgan.published FOLDER OUT MEMORY SECONDS` is started by `convert`,
so that whatever a hostile file achieves ends with this process. It unpickles once, never again.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.data.sources.zscrgan.unpickle import read_published_pickle
from zscr.disk import disk_faults, save_array
from zscr.errors import InputError, ZscrError
from zscr.limited import REFUSED, limit_process

IMAGES, TEXTS, TRAIN, TEST = PICKLES = (
    "image_embed_dict.pkl",
    "txt_embed_dict.pkl",
    "trainids.pkl",
    "testids.pkl",
)

Rows = npt.NDArray[np.float32]  # (N, D)


def main(folder: str, out: str, memory: str, seconds: str) -> int:
    """Limit this process to `memory` bytes and `seconds` of CPU, convert; return the status."""
    limit_process(memory, seconds)
    try:
        with disk_faults(Path(out)):
            convert_pickles(Path(folder), Path(out))
    except ZscrError as error:
        sys.stderr.write(str(error))
        return REFUSED
    return 0


def convert_pickles(folder: Path, out: Path) -> None:
    """Write `image.npy`, `text.npy` (float32) and `classes.json` from the pickles in `folder`.

    `classes.json` holds the ids of `train` and `test` in the files' order, the end row of each of
    them (first train, then test) in both arrays, and how many classes are in neither list.

    Raises:
        InputError: a pickle is refused, or does not have the published form.
    """
    train, test = _ids(folder / TRAIN), _ids(folder / TEST)
    content: dict[str, Any] = {"train": [str(i) for i in train], "test": [str(i) for i in test]}
    for name, path in (("image", folder / IMAGES), ("text", folder / TEXTS)):
        table = _table(path, [*train, *test])
        blocks = _blocks(path, table, [*train, *test])
        save_array(out / f"{name}.npy", np.concatenate(blocks))
        content[f"{name}_ends"] = np.cumsum([len(block) for block in blocks]).tolist()
        content[f"{name}_unlisted"] = len(table.keys() - {*train, *test})
    (out / "classes.json").write_text(json.dumps(content), "utf-8")


def _ids(path: Path) -> list[int | str]:
    ids = read_published_pickle(path)
    if isinstance(ids, np.ndarray) and ids.ndim == 1:
        ids = ids.tolist()
    if not isinstance(ids, list) or not ids or not all(type(i) in (int, str) for i in ids):
        raise InputError(f"{path} is not a list of class ids (integers or strings)")
    return ids


def _table(path: Path, ids: Sequence[int | str]) -> dict[int | str, Any]:
    table = read_published_pickle(path)
    if not isinstance(table, dict):
        raise InputError(f"{path} is not a dict of class id to vectors")
    missing = [class_id for class_id in ids if class_id not in table]
    if missing:
        raise InputError(
            f"{path} lacks {len(missing)} of the {len(ids)} classes in {TRAIN} and {TEST}, "
            f"the first is {missing[0]!r:.80}; take all four files from the same data set"
        )
    return table


def _blocks(path: Path, table: dict[int | str, Any], ids: Sequence[int | str]) -> list[Rows]:
    """Return one (n, D) block a class; every D is the first one's.

    A pickle may refer to one vector thousands of times. No file holds more numbers than bytes, so
    numbers beyond that are such references, and are refused before they are expanded.
    """
    blocks: list[Rows] = []
    left, dim = path.stat().st_size, None
    for class_id in ids:
        where = f"{path}, class {class_id!r:.80}"
        vectors = _vectors(where, table[class_id])
        dim = dim or len(vectors[0])
        if any(len(vector) != dim for vector in vectors):
            raise InputError(f"{where}: not every vector has {dim} numbers like the first one")
        left -= len(vectors) * dim
        if left < 0:
            raise InputError(f"{where}: shared references expand to more than the file holds")
        blocks.append(_block(where, vectors))
    return blocks


def _vectors(where: str, value: Any) -> Sequence[Any]:
    """Return `value` as a non-empty sequence of non-empty sequences, without expanding it."""
    if isinstance(value, np.ndarray) and value.ndim == 2:
        return list(value)
    one_dimensional = isinstance(value, list | tuple) and all(
        vector.ndim == 1 if isinstance(vector, np.ndarray) else isinstance(vector, list | tuple)
        for vector in value
    )
    if not one_dimensional or not len(value) or not len(value[0]):
        raise InputError(f"{where}: not a sequence of vectors")
    return list(value)


def _block(where: str, vectors: Sequence[Any]) -> Rows:
    """Stack checked vectors into (n, D) float32."""
    plain = (vector for vector in vectors if not isinstance(vector, np.ndarray))
    if any(type(number) not in (int, float, bool) for vector in plain for number in vector):
        raise InputError(f"{where}: a vector holds something that is no number")
    with np.errstate(over="ignore"):
        block = np.asarray(vectors, np.float32)
    if not np.isfinite(block).all():
        row = int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
        raise InputError(f"{where}: vector {row} holds NaN, infinity or more than float32 can")
    return block


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
