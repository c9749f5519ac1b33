"""Fixtures: small checkpoints of every family, and the bundles that they are exported to."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.checkpoints import SAVE
from zscr.export.pretrained.job import export_pretrained
from zscr.infer.bundle import Bundle


@dataclass(frozen=True)
class Exported:
    """A checkpoint's folder and its bundle."""

    source: Path
    bundle: Bundle


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function: family -> the folder of its small checkpoint, which stays as it is."""
    return cache(lambda family: SAVE[family](tmp_path_factory.mktemp("published") / family))


@pytest.fixture(scope="session")
def exported(
    saved: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Exported]:
    """Return a function: family -> its checkpoint and bundle, exported once by all workers.

    An export waits for another of the same place, and takes what that one has made.
    """
    base = tmp_path_factory.getbasetemp()
    place = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    @cache
    def export(family: str) -> Exported:
        out = place / "pretrained" / family
        return Exported(saved(family), export_pretrained(str(saved(family)), out))

    return export
