"""The HNSW of an index's rows: built, read from its file, and grown by the rows that it lacks."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from zscr.artefact import Manifest, hash_bytes
from zscr.errors import ArtefactError
from zscr.infer.index.choice import EF_CONSTRUCTION, M
from zscr.infer.index.column import Column
from zscr.infer.index.exact import Rows, Vectors
from zscr.infer.index.files import name_of, opened, segment_file
from zscr.infer.index.hnsw import Hnsw, Loaded
from zscr.infer.index.stack import Stack
from zscr.progress import say


def build_hnsw(stack: Stack, *, threads: int) -> Hnsw:
    """Build HNSW over all rows of a stack."""
    labels = stack.labels(np.arange(stack.count))
    return Hnsw.build(Column(stack, "vectors"), labels, threads=threads)


def open_hnsw(folder: Path, manifest: Manifest, stack: Stack) -> Hnsw:
    """Return the HNSW of a generation, which is loaded when it is first asked.

    If its file has the right hash but is not what hnswlib writes of these vectors, that is said,
    and it is built from them.

    Raises:
        ArtefactError: the file is missing; when it is asked, it is damaged.
    """
    load = loader(folder, manifest, stack)

    def loaded() -> Loaded:
        hnsw = load() or build_hnsw(stack.covered, threads=1)
        hnsw.hide(hnsw.labels[stack.rows_of_labels(hnsw.labels) < 0])
        return hnsw.loaded

    return Hnsw(loaded)


def loader(folder: Path, manifest: Manifest, stack: Stack) -> Callable[[], Hnsw | None]:
    """Open the HNSW's file now; return what reads it.

    That returns None, and says so, if the file is no HNSW of these vectors.

    Raises:
        ArtefactError: the file is missing; when it is read, it is damaged.
    """
    name = name_of(manifest, "hnsw")
    assert name is not None, "a manifest that says hnsw lists it"
    file, dim = opened(folder, manifest, name), manifest.body["dim"]
    fact, held = _fact(manifest, stack), stack.covered.with_ended

    def is_sound(copy: memoryview) -> bool:
        if not (file.is_unchanged and file.is_proven()):
            if hash_bytes(copy) != manifest.files[name]["sha256"]:
                raise ArtefactError(f"{file.path} is damaged; run 'zscr index repair {folder}'")
            file.remember()
            return False
        return file.is_proven(fact)

    def load() -> Hnsw | None:
        try:
            found = Hnsw.load(file.content, dim, partial(_known, held), is_sound=is_sound)
            wanted = stack.covered.labels(np.arange(stack.covered.count))
            missing = np.setdiff1d(wanted, found.labels)
            if missing.size:
                raise ValueError(f"{len(missing)} of its rows are missing")
            file.remember(fact)
        except ValueError as error:
            say(
                f"{folder / name} is no HNSW of these vectors ({error}); it is built from them anew"
            )
            return None
        return found

    return load


def _fact(manifest: Manifest, stack: Stack) -> str:
    """Return the kind of the fact that a file is HNSW of the rows which its segments hold.

    Rows that end later change nothing: they are still in their segments, and a label is given to a
    vector once. So a file is checked once, until other segments hold what it covers.
    """
    files = [manifest.files[segment_file(one.number)] for one in stack.covered.segments]
    about = json.dumps([M, EF_CONSTRUCTION, *(file["sha256"] for file in files)])
    return f"HNSW of {hash_bytes(about.encode())}"


def _known(stack: Stack, labels: Rows) -> tuple[Rows, Vectors]:
    """Return which labels have a row, and the vectors of these."""
    rows = stack.rows_of_labels(labels)
    which = np.flatnonzero(rows >= 0)
    return which, Column(stack, "vectors")[rows[which]].astype(np.float32, copy=False)
