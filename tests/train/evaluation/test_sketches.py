"""A model of sketches, judged with and without all of its files."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest

from zscr.errors import InputError
from zscr.export.bundle import export_run
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit


@pytest.fixture(scope="module")
def models(
    plain_module: ModuleType,
    scenes: Path,
    tiny_image: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[Path]:
    """Train a head that takes sketches, and export it -> run and bundle."""
    folder = tmp_path_factory.mktemp("sketches")
    settings, encoders = {"asks": "sketch", "rounds": 4}, {"image_encoder": str(tiny_image)}
    run = fit(Request("plain", scenes, folder / "run", settings, **encoders, device="cpu"))
    return [run.folder, export_run(run, folder / "bundle").folder]


@pytest.fixture
def damaged(scenes: Path, tmp_path: Path) -> Path:
    """Copy the scenes, to take files away; their features were never computed there."""
    ignored = shutil.ignore_patterns("features")
    return shutil.copytree(scenes, tmp_path / "scenes", ignore=ignored)


def test_run_and_bundle_agree(models: list[Path]) -> None:
    """Sketches alone are the model itself and no control; a run's controls are fitted ones.

    What takes no text is asked by sketches unless another task is named.
    """
    reports = [evaluate_model(model) for model in models]
    assert {report["task"] for report in reports} == {"sketch"}
    assert "ridge onto class codes" in reports[0]["controls"]
    assert [*reports[1]["controls"]] == ["random ranking"]
    for report in reports:
        assert report["metrics"] == pytest.approx(reports[0]["metrics"], abs=1e-6)
        assert (report["queries"], report["gallery"], report["groups"]) == (4, 8, 2)


def test_texts_and_composed_queries_are_not_taken(models: list[Path]) -> None:
    """A text can be neither answered nor used; of a composed query the image can."""
    for model in models:
        with pytest.raises(InputError, match="queries of sketch or image, not of text; choose an"):
            evaluate_model(model, Question(task="text"))
        composed = evaluate_model(model, Question(task="composed"))
        assert composed["unanswered"].endswith("sketch or image, not of image and text")
        assert [*composed["controls"]] == ["image only", "random ranking"]


def test_a_missing_image_is_left_out_and_told_once(
    models: list[Path], damaged: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Although model and control both need the gallery; figures are of the images that are left."""
    (damaged / "white-circle-1.png").unlink()
    reports = []
    for model in models:
        capsys.readouterr()
        reports.append(evaluate_model(model, Question(task="sketch", collection=damaged)))
        said = capsys.readouterr().err
        assert said.count("1 images of split 'unseen' could not be used and are left out") == 1
        assert "first white-circle-1: " in said
        assert "white-circle-1.png does not exist" in said
    assert [report["gallery"] for report in reports] == [7, 7]
    assert reports[0]["chance"] == pytest.approx((3 + 4) / 2 / 7)
    assert reports[0]["metrics"] == pytest.approx(reports[1]["metrics"], abs=1e-6)


def test_a_missing_sketch_is_named_and_refused(models: list[Path], damaged: Path) -> None:
    """A figure without a query would be of another task."""
    (damaged / "white-circle-2-sketch.png").unlink()
    for model in models:
        with pytest.raises(InputError, match=r"white-circle-2"):
            evaluate_model(model, Question(task="sketch", collection=damaged))


def test_no_image_at_all_is_one_sentence(models: list[Path], damaged: Path) -> None:
    """With the reason of the first."""
    for path in damaged.glob("white-*-?.png"):
        path.unlink()
    for model in models:
        with pytest.raises(InputError, match="8 of 8 images fail: .*white-.*png does not exist"):
            evaluate_model(model, Question(task="sketch", collection=damaged))
