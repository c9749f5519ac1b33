"""A mapper on a frozen base: what is trained, what selects, what is remembered and refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.checkpoints import save_clip
from tests.engines import build_all, products
from tests.train.pic2word.conftest import SETTINGS
from zscr.errors import ConfigError, MismatchError
from zscr.export.bundle import export_run
from zscr.infer.bundle import Bundle
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit
from zscr.train.methods.settings import make_config
from zscr.train.run import Run, open_run


def train(collection: Path, out: Path, base: Path, **settings: Any) -> Run:
    asked = {"base": base, **SETTINGS, **settings}
    return fit(Request("pic2word", collection, out, asked, device="cpu", refit=False))


def test_the_base_is_no_part_of_the_run(trained: Run) -> None:
    """Weights are the mapper's alone, and gallery and texts are the base's own embeddings."""
    method: Any = trained.load_model()
    assert {name.split(".")[0] for name in method.state_dict()} == {"mapped"}
    rows = torch.randn(3, *trained.shapes["image"])
    expected = torch.nn.functional.normalize(rows, dim=1)
    assert torch.allclose(method.heads()["gallery"].module(rows), expected)
    before = [one.clone() for one in method.base.language.tower.parameters()]
    assert not any(one.requires_grad for one in method.base.language.tower.parameters())
    assert all(map(torch.equal, before, method.base.language.tower.parameters()))


def test_stored_queries_select_the_weights(scenes: Path, dual: Path, tmp_path: Path) -> None:
    """Of all rounds, what `start` made among them, the best on validation queries are kept."""
    run = train(scenes, tmp_path / "run", dual)
    log = [json.loads(line) for line in run.log.read_text().splitlines()]
    figures = [row["val"]["mAP"] for row in log]
    assert [row["round"] for row in log] == [0, 1, 2, 3, 4]
    assert run.best["step"] == int(np.argmax(figures))
    assert len({round(figure, 6) for figure in figures}) > 1
    report = evaluate_model(run.folder, Question(task="composed", split="val"))
    assert report["metrics"]["mAP"] == pytest.approx(max(figures), abs=1e-6)
    assert report["selection"] == "selected on validation queries of task composed"


def test_several_tasks_select_by_their_mean(scenes: Path, dual: Path, tmp_path: Path) -> None:
    """Each task's figure is one share of the mean."""
    alone = [
        train(scenes, tmp_path / task, dual, task=task, rounds=0).best["value"]
        for task in ("composed", "style", "composed+style")
    ]
    assert alone[2] == pytest.approx((alone[0] + alone[1]) / 2)
    assert alone[0] != alone[1]


def test_a_refit_takes_the_validation_images(trained: Run, scenes: Path) -> None:
    """The final weights are others than the selected ones."""
    assert trained.refitted
    chosen, final = trained.load_selected(), trained.load_model()
    pairs = zip(chosen.state_dict().values(), final.state_dict().values(), strict=True)
    assert trained.best["step"] == 0 or not all(torch.equal(*pair) for pair in pairs)
    report = evaluate_model(trained.folder, Question(task="composed"))
    assert report["controls"]["image only"]["metrics"]["mAP"] > 0


@pytest.fixture(scope="module")
def bundle(trained: Run, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Export the run."""
    return export_run(trained, tmp_path_factory.mktemp("exported") / "bundle")


@pytest.mark.engines
def test_tensorrt_builds_the_injection(bundle: Bundle, tmp_path: Path) -> None:
    """The image's token is put among those of the text within the graph; two inputs, one batch."""
    built = build_all(bundle, tmp_path, "fp16")
    assert {"composed", "gallery"} <= {*built}
    composed = built["composed"]["fp16"]
    assert len(composed.inputs) >= 2
    assert {shapes.max[0] for shapes in composed.profiles[-1].values()} == {512}
    assert products(composed)["float16"] >= 2


def test_an_exported_mapper_answers_alike(trained: Run, bundle: Bundle) -> None:
    """The graph of image and prompt is proven, and the bundle ranks as the run does."""
    assert frozenset({"image", "text"}) in bundle.takes
    assert next(iter(bundle.compositions)) == "pic2word"
    question = Question(task="composed")
    run, exported = (evaluate_model(one, question) for one in (trained.folder, bundle.folder))
    assert exported["metrics"]["mAP"] == pytest.approx(run["metrics"]["mAP"], abs=1e-6)


def test_another_base_is_refused(scenes: Path, dual: Path, tmp_path: Path) -> None:
    """The mapper of one backbone is nothing to another, though its widths are the same."""
    base = tmp_path / "base"
    save_clip(base)
    run = train(scenes, tmp_path / "run", base, rounds=0)
    for file in base.iterdir():
        file.unlink()
    save_clip(base, intermediate_size=50)
    with pytest.raises(MismatchError, match=r"the mapper was trained on base [0-9a-f]{12} of .*"):
        open_run(run.folder).load_model()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "pic2word stands on a dual encoder: set base=RUN"),
        ({"base": "nowhere/at-all"}, "nowhere/at-all"),
        ({"select_by": "mAP", "task": ""}, "a figure is of the queries of a task"),
        ({"select_by": "loss/nce", "task": "composed"}, "a figure is of the queries of a task"),
        ({"template": "a photo of {}"}, "has no places for the image"),
        ({"template": "* and * , {}"}, "has 2 places for the image"),
        ({"sentence": "a photo"}, "must have one * for the image"),
        ({"train_on": "texts", "centre": "domain"}, "sentences are of no domain"),
        ({"quirks": "vowels"}, "there is no 'vowels'"),
        ({"words": 65}, "words=65 must be at most 64"),
        ({"words": 30}, "takes .* tokens, 30 of them for the image, and the model reads 20"),
        ({"length": 6}, "the template 'a photo of * , ' takes 7 tokens"),
        ({"sentence": f"a {'very ' * 20}*"}, "the sentence 'a very .* tokens, 1 of them"),
        ({"centre": "domain"}, "tells of no seen image of which domain it is"),
        ({"task": "nothing", "select_by": "mAP"}, "nothing"),
    ],
)
def test_settings_are_refused(
    scenes: Path, dual: Path, tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    """Each in one sentence, before anything is trained."""
    asked = {**SETTINGS, "base": dual, **settings} if settings else {}
    with pytest.raises(Exception, match=said.replace(" *", r" \*")) as caught:
        fit(Request("pic2word", scenes, tmp_path / "run", asked, device="cpu"))
    assert type(caught.value).__module__ == "zscr.errors"
    assert "\n" not in str(caught.value)


def test_training_that_diverges_ends_in_a_sentence(
    scenes: Path, dual: Path, tmp_path: Path
) -> None:
    """Its losses are no numbers, which no log holds and no round makes good."""
    with pytest.raises(ConfigError, match="training has diverged; train anew with a lower"):
        train(scenes, tmp_path / "run", dual, lr=1e30, task="", select_by="")


def test_defaults_are_settings() -> None:
    """A configuration can be made before a base is known."""
    assert make_config("pic2word", {}).select_by == "loss/nce"
    assert make_config("pic2word", {"train_on": "texts"}).select_by == "loss/mse"
    with pytest.raises(ConfigError, match="words=0 must be at least 1"):
        make_config("pic2word", {"words": 0})
