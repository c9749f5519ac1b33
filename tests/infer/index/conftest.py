"""Fixtures of the index's tests: vectors, and entries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from zscr.artefact import file_entry, read_manifest, write_manifest
from zscr.infer.index.files import segment_file
from zscr.infer.index.index import Entry, Index
from zscr.infer.index.segment import keys_of, new_segment
from zscr.infer.index.stack import Stack
from zscr.infer.index.tensors_file import write_tensors

DIM = 8
SPACE = "b" * 64


def unit(rows: Any) -> np.ndarray:
    """Return float32 rows of norm 1."""
    array = np.asarray(rows, np.float64)
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


def stacked(vectors: np.ndarray, *, in_hnsw: bool = False, first: int = 0) -> Stack:
    """Return rows as one segment, whose labels run from `first` on."""
    ids = [str(number) for number in range(len(vectors))]
    lines = [b'{"id": "%d", "sha256": ""}\n' % number for number in range(len(vectors))]
    labels, nothing = first + np.arange(len(vectors)), np.empty(0, np.int64)
    held = {"vectors": vectors}
    return Stack.of([new_segment(1, labels, held, lines, keys_of(ids), nothing, in_hnsw=in_hnsw)])


def forge(folder: Path, number: int = 1, /, *, without: str = "", **tensors: np.ndarray) -> None:
    """Replace tensors of a segment, or take one out, and make the manifest agree."""
    path = folder / segment_file(number)
    held = {**load_file(path), **tensors}
    held.pop(without, None)
    write_tensors(path, held)
    agree(folder, path.name)


def agree(folder: Path, *names: str, **body: Any) -> None:
    """Make the manifest agree with files as they are by now, and with fields."""
    manifest = read_manifest(folder, "index")
    files = {**manifest.files, **{name: file_entry(folder / name) for name in names}}
    write_manifest(folder, "index", files, {**manifest.body, **body})


@pytest.fixture(scope="session")
def clustered() -> Callable[..., np.ndarray]:
    """Return a function that makes unit vectors around 100 centres, as if of 100 classes."""

    def make(count: int, dim: int, seed: int = 0) -> np.ndarray:
        rng = np.random.default_rng(seed)
        centres = np.random.default_rng(99).normal(size=(100, dim))
        return unit(centres[rng.integers(100, size=count)] + 0.7 * rng.normal(size=(count, dim)))

    return make


@pytest.fixture(scope="session")
def entry() -> Callable[..., Entry]:
    """Return a function that makes the entry of one version of an image."""

    def make(name: str, version: int = 0, **attributes: str) -> Entry:
        sha256 = hashlib.sha256(f"{name} {version}".encode()).hexdigest()
        return Entry(name, sha256, f"images/{name}.png", attributes)

    return make


@pytest.fixture(scope="session")
def embed() -> Callable[..., np.ndarray]:
    """Return a function that gives each content of entries its own unit vector."""

    def make(entries: Iterable[Entry]) -> np.ndarray:
        rows = [np.random.default_rng(int(one.sha256, 16)).normal(size=DIM) for one in entries]
        return unit(np.reshape(rows, (-1, DIM)))

    return make


@pytest.fixture(scope="session")
def create(embed: Callable[..., np.ndarray]) -> Callable[..., Index]:
    """Return a function that makes an index of entries."""

    def make(folder: Path, entries: Iterable[Entry], **options: Any) -> Index:
        entries = list(entries)
        about = {"space": SPACE, "bundle_name": "birds", "vectors": embed(entries)}
        return Index.create(folder, entries=entries, **{**about, **options})

    return make


@pytest.fixture(scope="session")
def entries(entry: Callable[..., Entry]) -> list[Entry]:
    """Sixty images of one class."""
    return [entry(f"bird {number}", **{"class": "wren"}) for number in range(60)]
