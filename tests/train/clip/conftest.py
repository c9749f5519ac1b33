"""Fixtures: small checkpoints of pretrained dual encoders."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.checkpoints import SAVE


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function: family -> the folder of its small checkpoint, which stays as it is."""
    return cache(lambda family: SAVE[family](tmp_path_factory.mktemp("published") / family))
