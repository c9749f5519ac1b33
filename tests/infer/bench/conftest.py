"""Fixtures of the measurements' tests: a clock that is set by hand, an index beside the bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from zscr.cli import main
from zscr.infer.bench.subject import Subject
from zscr.infer.bundle import Bundle
from zscr.infer.index.entry import Entry
from zscr.infer.index.index import Index
from zscr.infer.runners.runner import Runtime

DIM = 8


class HandClock:
    """A clock that goes on when it is told to, or is slept by."""

    def __init__(self) -> None:
        self.now, self.computed = 100.0, 5.0

    def wall(self) -> float:
        return self.now

    def cpu(self) -> float:
        return self.computed

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def work(self, seconds: float) -> None:
        """Pass time, half of it computing."""
        self.now += seconds
        self.computed += seconds / 2


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def unit_rows(count: int, seed: int) -> Any:
    rows = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture(scope="session")
def pair(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two bundles of one gallery, `birds` and `other`, each with an index of 40 images."""
    folder = tmp_path_factory.mktemp("bench")
    for number, name in enumerate(("birds", "other")):
        bundle = Bundle.open(make_bundle(folder / name, query=1 + number), Runtime(threads=1))
        entries = [Entry(f"{row}.jpg", f"{row:064x}", f"{row}.jpg") for row in range(40)]
        Index.create(
            bundle.index_folder,
            space=bundle.space,
            bundle_name=name,
            entries=entries,
            vectors=unit_rows(40, 3),
            search="hnsw" if name == "birds" else None,
            queries=unit_rows(12, 4) if name == "birds" else None,
        )
    return folder


@pytest.fixture
def subject(pair: Path) -> Subject:
    return Subject.open(pair / "birds", None, Runtime(threads=1), 5)


@pytest.fixture
def run(pair: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that runs `zscr bench` in a folder of its own; standard error is apart."""
    monkeypatch.chdir(tmp_path)

    def call(*args: object) -> Any:
        given = [str(arg) for arg in args]
        if given[:1] != ["compare"]:
            given = ["--bundle", str(pair / "birds"), "--threads", "1", *given]
        return CliRunner().invoke(main, ["bench", *given])

    return call
