"""Fixtures of the export tests: a run of published vectors, and its bundle with noise folded in."""

from __future__ import annotations

from pathlib import Path

import pytest

from zscr.export.bundle import export_run
from zscr.infer.bundle import Bundle
from zscr.train.fit import Request, fit
from zscr.train.run import Run

QUICK = {"gf_dim": 8, "df_dim": 8, "embed_dim": 6, "z_dim": 2, "batch_size": 4}
QUICK |= {"e_steps": 2, "critic_steps": 2, "m_steps": 2, "rounds": 1, "validate_every": 1}
QUICK |= {"select_on_test": False}


@pytest.fixture(scope="session")
def vector_run(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Train on published vectors for a moment."""
    folder = tmp_path_factory.mktemp("runs")
    return fit(Request("zscrgan", vectors, folder / "run", QUICK, device="cpu"))


@pytest.fixture(scope="session")
def vector_bundle(vector_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Export that run with three draws of noise averaged in the query graph."""
    folder = tmp_path_factory.mktemp("bundles")
    return export_run(vector_run, folder / "bundle", noise_samples=3)
