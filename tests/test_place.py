"""A project that was moved or copied works where it is now; what is missing is named at once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from zscr.errors import ArtefactError
from zscr.export.deploy import deploy
from zscr.place import find_remembered, remember
from zscr.train.evaluation.evaluate import evaluate_model
from zscr.train.fit import Request, fit

TINY = {"gf_dim": 8, "df_dim": 8, "embed_dim": 8, "z_dim": 4, "batch_size": 4, "rounds": 1}
TINY |= {"e_steps": 1, "critic_steps": 1, "m_steps": 1, "validate_every": 1}


@pytest.fixture(scope="module")
def project(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project folder: a collection, and a run and a bundle of it."""
    folder = tmp_path_factory.mktemp("home") / "project"
    shutil.copytree(vectors, folder / "collections/vectors")
    before = Path.cwd()
    os.chdir(folder)
    try:
        request = Request("zscrgan-reference", Path("collections/vectors"), settings=TINY)
        run = fit(request)
        deploy(run.folder)
    finally:
        os.chdir(before)
    return folder


@pytest.mark.parametrize("model", ["runs/latest", "bundles/latest"])
def test_a_moved_project_is_judged_as_before(project: Path, tmp_path: Path, model: str) -> None:
    """The figures are the same where the old folder is gone, and beside a copy that has changed."""
    wanted = evaluate_model(project / model)["metrics"]
    shutil.copytree(project, tmp_path / "elsewhere/copy", symlinks=True)
    gone = project.with_name("gone")
    project.rename(gone)
    try:
        assert evaluate_model(tmp_path / "elsewhere/copy" / model)["metrics"] == wanted
        (gone / "collections/vectors/manifest.json").write_text("changed")
        gone.rename(project)
        assert evaluate_model(tmp_path / "elsewhere/copy" / model)["metrics"] == wanted
    finally:
        if gone.exists():
            gone.rename(project)
        shutil.copy(
            tmp_path / "elsewhere/copy/collections/vectors/manifest.json",
            project / "collections/vectors/manifest.json",
        )


@pytest.mark.parametrize("model", ["runs/latest", "bundles/latest"])
def test_an_artefact_that_was_moved_alone(project: Path, tmp_path: Path, model: str) -> None:
    """It finds its collection where that lay; gone from there, too, both places are named."""
    alone = tmp_path / "alone"
    shutil.copytree((project / model).resolve(), alone)
    assert evaluate_model(alone)["metrics"] == evaluate_model(project / model)["metrics"]
    away = project.with_name("away")
    project.rename(away)
    try:
        with pytest.raises(ArtefactError, match=f"collection {project}.* or {tmp_path.parent}"):
            evaluate_model(alone)
    finally:
        away.rename(project)


def test_links_on_the_way(tmp_path: Path) -> None:
    """The way is between the real folders, whatever links they were reached by."""
    for name in ("a/runs/run", "a/data", "b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "b/link").symlink_to(tmp_path / "a/data")
    (tmp_path / "b/runs").symlink_to(tmp_path / "a/runs")
    kept = remember(tmp_path / "b/link", tmp_path / "b/runs/run")
    assert kept == {"path": str(tmp_path / "a/data"), "relative": "../../data"}
    (tmp_path / "a").rename(tmp_path / "c")
    assert find_remembered("data", kept, tmp_path / "c/runs/run") == tmp_path / "c/data"
