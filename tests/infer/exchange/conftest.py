"""Fixtures of the exchange's tests: a gallery with ties, and the libraries."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zscr.infer.index.index import Index

sys.path.insert(0, str(Path(__file__).parent))
from galleries import SPACE, entry, unit

LIBRARIES = {
    "faiss": "faiss",
    "hnswlib": "hnswlib",
    "lance": "lance",
    "parquet": "pyarrow",
    "qdrant": "qdrant_edge",
}


@pytest.fixture
def need() -> Callable[[str], Any]:
    """Return a function that imports a format's library, or skips the test."""

    def load(style: str) -> Any:
        if style == "npy":
            return None
        return pytest.importorskip(LIBRARIES[style], reason=f"the extra of {style} is not there")

    return load


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    """Make an index of 500 images in 32 dimensions; the last 20 have the vectors of the first."""
    rows = unit(np.random.default_rng(7).normal(size=(480, 32)))
    rows = np.vstack([rows, rows[:20]])
    return Index.create(
        tmp_path_factory.mktemp("index") / "holiday.index",
        space=SPACE,
        bundle_name="birds",
        entries=[entry(number) for number in range(500)],
        vectors=rows,
        features=unit(np.random.default_rng(8).normal(size=(500, 6))),
        search="exact",
    )
