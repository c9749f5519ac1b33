"""Fixtures: a small pretrained dual encoder as a base, and a mapper that was trained on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.checkpoints import SAVE
from zscr.train.fit import Request, fit
from zscr.train.run import Run

SETTINGS: dict[str, Any] = {"rounds": 4, "validate_every": 1, "batch_size": 8, "lr": 0.5}
SETTINGS |= {"width": 16, "task": "composed", "select_by": "mAP", "seed": 3}


@pytest.fixture(scope="session")
def dual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small CLIP with random weights."""
    return SAVE["clip"](tmp_path_factory.mktemp("published") / "clip")


@pytest.fixture(scope="session")
def trained(scenes: Path, dual: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train on images for 4 rounds, judged by the task `composed`; with a refit."""
    folder = tmp_path_factory.mktemp("pic2word") / "run"
    return fit(Request("pic2word", scenes, folder, {"base": dual, **SETTINGS}, device="cpu"))
