"""A small network's folder, and a cache of this run for what is made of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.train.vision.networks import network, save


@pytest.fixture(scope="session")
def small_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the network once."""
    return save(tmp_path_factory.mktemp("networks") / "small-network", network())


@pytest.fixture(scope="module", autouse=True)
def _cache_of_nobody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make encoders of it in a cache that no other tests see."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZSCR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
