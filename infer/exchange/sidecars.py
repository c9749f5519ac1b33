"""A folder of vectors in some library's file, with what that file has no room for beside it.

`entries.jsonl` has an image a line in the order of the rows, `features.npy` the image features if
they were asked for, `manifest.json` what the vectors are, and the sha256 of each file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from zscr.arrays import Array, map_npy, write_npy
from zscr.artefact import Stage, read_manifest, staged, verify
from zscr.disk import plain_file
from zscr.errors import InputError
from zscr.infer.exchange.gallery import ROWS, About, Block, Gallery
from zscr.infer.exchange.rows import entry_of, row_of
from zscr.infer.index.index import Entry
from zscr.regular import open_regular
from zscr.strict_json import parse_json

KIND = "exchange"
ENTRIES, FEATURES = "entries.jsonl", "features.npy"


@contextmanager
def new_folder(gallery: Gallery, out: Path, format_name: str, **more: Any) -> Iterator[Stage]:
    """Yield a folder in the making, to put the vectors' file into; the rest is written last.

    Args:
        gallery: whose entries and features are written.
        out: the folder to make.
        format_name: that the manifest states; more: fields for it.

    Raises:
        ArtefactError: `out` exists already, or the disk is full. Nothing is left behind.
    """
    with staged(out, KIND) as stage:
        yield stage
        with (stage.folder / ENTRIES).open("w", encoding="utf-8", newline="\n") as file:
            for block in gallery.watched(f"writing {ENTRIES}"):
                file.writelines(_line(entry) for entry in block.entries)
        if gallery.about.features:
            write_rows(stage.folder / FEATURES, gallery, "features")
        stage.body |= {"format": format_name, **gallery.about.fields(), **more}


def write_rows(path: Path, gallery: Gallery, field: str) -> None:
    """Write the vectors, or the features, of all images as one .npy file."""
    about = gallery.about
    shape = (about.count, about.dim if field == "vectors" else about.features)
    rows = (getattr(block, field) for block in gallery.watched(f"writing {path.name}"))
    with plain_file(path) as file:
        write_npy(file, np.dtype(np.float32), shape, rows)


def format_of(folder: Path) -> str:
    """Return the format that the manifest of such a folder states.

    Raises:
        ArtefactError: the manifest is damaged or of something else.
    """
    return str(read_manifest(folder, KIND).body.get("format"))


def read_folder(folder: Path) -> tuple[About, dict[str, Any]]:
    """Check every file of a folder -> what it holds, and all fields of its manifest.

    Raises:
        ArtefactError: it has no manifest, or a file is missing or damaged.
        InputError: the manifest lacks a field.
    """
    manifest = read_manifest(folder, KIND)
    verify(folder, manifest)
    body = dict(manifest.body)
    try:
        return About.of(body, count=int(body["count"])), body
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder} says not what it holds: {error}; export it again") from error


def read_blocks(folder: Path, about: About, vectors: Array) -> Iterator[Block]:
    """Yield the images of a folder with their `vectors` (N, D).

    Raises:
        InputError: there are not as many entries, or one cannot be read.
    """
    features = map_npy(folder / FEATURES) if about.features else None
    done, lines = 0, read_entries(folder / ENTRIES)
    while entries := tuple(islice(lines, ROWS)):
        part = slice(done, done + len(entries))
        near = None if features is None else features[part]
        done += len(entries)
        if done > len(vectors):
            break
        yield Block(entries, vectors[part], near)
    if done != len(vectors):
        raise InputError(
            f"{folder} has {len(vectors)} vectors and {'more' if done > len(vectors) else done} "
            f"lines in {ENTRIES}; both must be in the same order, a line a vector"
        )


def read_entries(path: Path) -> Iterator[Entry]:
    """Yield the images of the lines of a file.

    Raises:
        InputError: a line is no JSON, or no image.
    """
    with open_regular(path) as file:
        for number, line in enumerate(file, 1):
            try:
                yield entry_of(parse_json(line))
            except (ValueError, AttributeError) as error:
                raise InputError(f"{path}, line {number}: {error}; write it as JSON") from error


def _line(entry: Entry) -> str:
    return json.dumps(row_of(entry), ensure_ascii=False) + "\n"
