"""What the exchange's tests make galleries of, and look at."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zscr.infer.index.index import Entry, Index

SPACE = "b" * 64


def unit(rows: Any) -> np.ndarray:
    """Return float32 rows of norm 1."""
    array = np.asarray(rows, np.float64)
    return (array / np.linalg.norm(array, axis=1, keepdims=True)).astype(np.float32)


def entry(number: int) -> Entry:
    """Return an image, with attributes that others do not have."""
    said = {"class": f"bird {number % 7}"} if number % 3 else {}
    said |= {"domain": ""} if number % 5 == 0 else {}
    sha256 = hashlib.sha256(bytes([number % 251])).hexdigest()
    also = (f"/b/{number}.png",) if number % 11 == 0 else ()
    return Entry(f"holiday/{number}.png", sha256, f"/a/{number}.png", said, also)


def content(index: Index) -> dict[str, Any]:
    """Return what an index holds of each image, to the bit, in whichever order its rows are."""
    vectors = np.asarray(index.vectors)
    features = vectors[:, :0] if index.features is None else np.asarray(index.features)
    rows = zip(index.entries, vectors, features, strict=True)
    return {one.id: (one, row.tobytes(), near.tobytes()) for one, row, near in rows}


@contextlib.contextmanager
def small_blocks(monkeypatch: pytest.MonkeyPatch, rows: int) -> Iterator[None]:
    """Let galleries go in blocks of a few rows."""
    names = ("gallery", "sidecars", "foreign", "faiss", "hnswlib", "parquet", "lance")
    with monkeypatch.context() as patch:
        for name in names:
            module = importlib.import_module(f"zscr.infer.exchange.{name}")
            patch.setattr(module, "ROWS", rows)
        yield


def names_in(folder: Path) -> list[str]:
    """Return the names of all that is in a folder, hidden files too."""
    return sorted(path.name for path in folder.iterdir())
