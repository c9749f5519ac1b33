"""`zscr evaluate --task`: composed, style and sketch queries, beside what their parts find."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from zscr.cli import main
from zscr.data.collection import Collection, read_collection
from zscr.data.records import Query
from zscr.errors import CollectionError, ConfigError, InputError
from zscr.export.bundle import export_run
from zscr.infer.encoder import load_encoder
from zscr.infer.evaluation.controls.fusions import SHARES
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit
from zscr.train.run import Run

SETTINGS = {"composed": True, "rounds": 12, "rate": 0.2, "seed": 10}
PARTS = [
    "image only",
    "text only",
    "mean of image and text",
    "weighted average",
    "product",
    "Slerp",
    "WeiCom",
    "text arithmetic",
    "random ranking",
]


def zscr(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@dataclass(frozen=True)
class Trained:
    """A run on the scenes, with a head of two ports, and its bundle."""

    run: Run
    bundle: Path
    collection: Path

    @property
    def both(self) -> tuple[Path, Path]:
        """The two models."""
        return self.run.folder, self.bundle


@pytest.fixture(scope="module")
def trained(
    plain_module: ModuleType,
    scenes: Path,
    tiny_image: Path,
    tiny_text: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    """Train and export once."""
    folder = tmp_path_factory.mktemp("trained")
    encoders = {"image_encoder": str(tiny_image), "text_encoder": str(tiny_text)}
    run = fit(Request("plain", scenes, folder / "run", SETTINGS, **encoders, device="cpu"))
    return Trained(run, export_run(run, folder / "bundle").folder, scenes)


class ByHand:
    """The model in numpy: frozen features times the run's two matrices."""

    def __init__(self, run: Run, image: Path, text: Path) -> None:
        weights = run.load_model().state_dict()
        self.maps = {"image": weights["gallery.weight"], "text": weights["asking.weight"]}
        self.encoders = {"image": load_encoder(image), "text": load_encoder(text)}

    def rows(self, field: str, values: list[Any]) -> np.ndarray:
        features = self.encoders[field].encode(Query.of(field, values))
        return features @ self.maps[field].numpy().T

    @staticmethod
    def unit(rows: np.ndarray) -> np.ndarray:
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def average_precision(scores: np.ndarray, relevant: list[bool]) -> float:
    """Walk down one ranking."""
    found, total = 0, 0.0
    for rank, place in enumerate(np.argsort(-scores, kind="stable"), 1):
        if relevant[place]:
            found += 1
            total += found / rank
    return total / found


def asked(collection: Collection, name: str, split: str = "unseen") -> list[dict[str, Any]]:
    """Read a task's queries of one split from its file."""
    lines = (collection.folder / f"tasks/{name}.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row["split"] == split]


def wanted(name: str, row: dict[str, Any], items: list[Any]) -> tuple[list[int], list[bool]]:
    """Return the places of the items that count for a query, and which of them it seeks."""
    kept = [n for n, item in enumerate(items) if item.id not in row.get("exclude", ())]
    if name == "composed":
        return kept, [items[n].id in row["relevant"] for n in kept]
    size = [items[n].attributes["size"] == row["value"] for n in kept]
    return kept, [s and items[n].class_id == row["class"] for s, n in zip(size, kept, strict=True)]


def mean_average_precision(
    collection: Collection, name: str, queries: np.ndarray, hand: ByHand, split: str = "unseen"
):
    """Rank the images of a split for each query of a task by hand."""
    items = collection.split(split)
    gallery = hand.unit(hand.rows("image", [collection.folder / i.image for i in items]))
    values = []
    for query, row in zip(queries, asked(collection, name, split), strict=True):
        kept, relevant = wanted(name, row, items)
        values.append(average_precision(gallery[kept] @ query, relevant))
    return np.mean(values)


@pytest.mark.parametrize("task", ["composed", "style"])
def test_composed_queries_and_their_parts_by_hand(
    trained: Trained, tiny_image: Path, tiny_text: Path, task: str
) -> None:
    """Image and text, each alone, and the mean of both, of runs and bundles to 1e-6.

    The head adds the two maps' rows before it makes them unit; the control adds unit rows.
    """
    collection = read_collection(trained.collection)
    hand, rows = ByHand(trained.run, tiny_image, tiny_text), asked(collection, task)
    image = hand.rows("image", [trained.collection / row["image"] for row in rows])
    text = hand.rows("text", [row["text"] for row in rows])
    own = {"image only": hand.unit(image), "text only": hand.unit(text)}
    own["mean of image and text"] = hand.unit(own["image only"] + own["text only"])
    expected = {n: mean_average_precision(collection, task, q, hand) for n, q in own.items()}
    head = mean_average_precision(collection, task, hand.unit(image + text), hand)
    reports = [evaluate_model(m, Question(task=task)) for m in trained.both]
    for report in reports:
        assert report["metrics"]["mAP"] == pytest.approx(head, abs=1e-6)
        found = {name: report["controls"][name]["metrics"]["mAP"] for name in expected}
        assert found == pytest.approx(expected, abs=1e-6)
        assert [*report["controls"]] == PARTS
        assert "unanswered" not in report
    run, bundle = reports
    assert run["metrics"] == pytest.approx(bundle["metrics"], abs=1e-6)
    for name in PARTS:
        others = run["controls"][name]["metrics"], bundle["controls"][name]["metrics"]
        assert others[0] == pytest.approx(others[1], abs=1e-6)
    assert len({round(value, 6) for value in (*expected.values(), head)}) == 4


def test_validation_queries_choose_what_the_controls_weigh(
    trained: Trained, tiny_image: Path, tiny_text: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand, over the grid, on the validation queries; on these themselves nothing is chosen."""
    collection = read_collection(trained.collection)
    hand = ByHand(trained.run, tiny_image, tiny_text)

    def averaged(split: str, share: float) -> float:
        rows = asked(collection, "style", split)
        image = hand.unit(hand.rows("image", [trained.collection / row["image"] for row in rows]))
        text = hand.unit(hand.rows("text", [row["text"] for row in rows]))
        queries = hand.unit((1 - share) * image + share * text)
        return mean_average_precision(collection, "style", queries, hand, split)

    quality = {share: averaged("val", share) for share in SHARES}
    best = max(quality, key=quality.__getitem__)
    report = evaluate_model(trained.bundle, Question(task="style"))
    found = report["controls"]["weighted average"]
    assert found["text_weight"] == best != 0.5
    assert found["val_mAP"] == pytest.approx(quality[best], abs=1e-6)
    assert found["metrics"]["mAP"] == pytest.approx(averaged("unseen", best), abs=1e-6)
    assert report["controls"]["text arithmetic"]["about"] == "less the mean of 8 validation texts"
    report = evaluate_model(trained.run.folder, Question(task="style", split="val"))
    assert report["controls"]["weighted average"]["published"] == {"text_weight": 0.5}
    assert "text arithmetic" not in report["controls"]  # this encoder reads no other texts
    assert "text arithmetic without what a text replaces is left out" in capsys.readouterr().err


def test_chance_follows_from_what_is_left_out(trained: Trained) -> None:
    """Of 8 images 2 are sought; a composed query's own is left out, and may be one of them."""
    reports = {
        t: evaluate_model(trained.run.folder, Question(task=t)) for t in ("composed", "style")
    }
    assert reports["style"]["chance"] == pytest.approx(2 / 8)
    assert reports["composed"]["chance"] == pytest.approx((2 + 1) / 2 / 7)
    for report in reports.values():
        assert report["queries"] == 8
        chance = report["controls"]["random ranking"]
        assert (chance["chance"], chance["queries"]) == (report["chance"], 8)
        assert 0.1 < chance["metrics"]["mAP"] < 0.8


def test_the_heads_settings_reach_the_task(trained: Trained) -> None:
    """A text of no weight leaves the image alone, and the controls' figures as they were."""
    plainly = evaluate_model(trained.run.folder, Question(task="composed"))
    settings = {"weight": "0"}
    silent = evaluate_model(trained.run.folder, Question(task="composed", head_settings=settings))
    assert silent["head_settings"] == {"weight": 0.0}
    assert silent["metrics"] == pytest.approx(plainly["controls"]["image only"]["metrics"])
    assert silent["metrics"] != plainly["metrics"]
    for name, control in plainly["controls"].items():
        assert silent["controls"][name]["metrics"] == control["metrics"]


def test_sketches_that_nothing_takes_have_their_controls_alone(trained: Trained) -> None:
    """They are embedded as images; the report says what the model takes, and bounds without it."""
    for model in trained.both:
        report = evaluate_model(model, Question(task="sketch"))
        takes = "text or image and text or image, not of sketch"
        assert report["unanswered"] == f"{model} answers queries of {takes}"
        assert [*report["controls"]] == ["sketch only", "random ranking"]
        assert (report["queries"], report["gallery"], report["groups"]) == (4, 8, 2)
        assert all(name.endswith("ceiling") for name in report["metrics"])
        shown = zscr("evaluate", model, "--task", "sketch")
        assert shown.exit_code == 0, shown.output
        assert "sketch only" in shown.stdout
        assert "answers queries of" in shown.stderr
    page = Question(task="sketch", page=trained.collection / "page.html")
    with pytest.raises(InputError, match="not of sketch; choose another --task or model"):
        evaluate_model(trained.run.folder, page)
    assert not page.page.exists()


def test_sketch_only_is_the_gallery_map_of_sketches(
    trained: Trained, tiny_image: Path, tiny_text: Path
) -> None:
    """By hand, each sketch asking for the images of its class."""
    collection = read_collection(trained.collection)
    hand = ByHand(trained.run, tiny_image, tiny_text)
    items = collection.split("unseen")
    drawn = [item for item in items if item.sketch]
    sketches = hand.unit(hand.rows("image", [collection.folder / i.sketch for i in drawn]))
    images = hand.unit(hand.rows("image", [collection.folder / i.image for i in items]))
    values = [
        average_precision(images @ query, [i.class_id == item.class_id for i in items])
        for query, item in zip(sketches, drawn, strict=True)
    ]
    report = evaluate_model(trained.run.folder, Question(task="sketch"))
    found = report["controls"]["sketch only"]["metrics"]["mAP"]
    assert found == pytest.approx(np.mean(values), abs=1e-6)


def test_a_composed_query_that_cannot_be_used_is_refused(trained: Trained, tmp_path: Path) -> None:
    """A figure without it would be of another task."""
    damaged = shutil.copytree(trained.collection, tmp_path / "c")
    (damaged / "white-circle-1.png").unlink()
    shutil.rmtree(damaged / "features")
    question = Question(task="style", collection=damaged)
    with pytest.raises(InputError, match="white-circle-1"):
        evaluate_model(trained.bundle, question)
    reason = "1 of 8 queries cannot be used, the first is .*white-circle-1.png does not exist; mend"
    with pytest.raises(InputError, match=reason):
        evaluate_model(trained.run.folder, question)


def test_tasks_that_there_are_not_are_refused(trained: Trained, vectors: Path) -> None:
    """Those that there are, are listed; a collection of another kind is no gallery of this one."""
    run = trained.run.folder
    with pytest.raises(CollectionError, match="no task 'video'; it has text, sketch, composed, st"):
        evaluate_model(run, Question(task="video"))
    for model in (run, trained.bundle):
        with pytest.raises(
            InputError, match="answers queries of text or .*, not of vector; choose"
        ):
            evaluate_model(model, Question(collection=vectors))
    with pytest.raises(ConfigError, match="is of classes, which task 'composed' does not ask for"):
        evaluate_model(run, Question(task="composed", retrieved_res=Path("x")))


def test_a_page_of_composed_queries(trained: Trained, tmp_path: Path) -> None:
    """Their images and texts are told, and the parts stand beside the model."""
    done = zscr("evaluate", trained.bundle, "--task", "composed", "--report", tmp_path / "p.html")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "p.html").read_text("utf-8")
    assert "mean of image and text" in page
    assert re.search(r"(small|large) \+ image [^<]*white-\w+-\d\.png", page)
    assert done.stdout.startswith("scenes, composed, unseen: 8 queries, 8 images, 2 groups\n")


def test_means_over_tasks_are_over_those_of_each_name(trained: Trained, tmp_path: Path) -> None:
    """`[s]*` fits sketch and style: their mean, then the mean of that and composed, by hand."""
    asked = ["--task", "[s]*", "--task", "composed"]
    done = zscr("evaluate", trained.bundle, *asked, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    alone = {
        name: evaluate_model(trained.bundle, Question(task=name))
        for name in ("sketch", "style", "composed")
    }
    assert {name: one["metrics"] for name, one in report["tasks"].items()} == {
        name: one["metrics"] for name, one in alone.items()
    }
    assert [*report["means"]] == ["[s]*", "composed"]
    only = {
        name: one["controls"]["image only"]["metrics"]["mAP"]
        for name, one in alone.items()
        if "image only" in one["controls"]
    }
    assert [*only] == ["style", "composed"]  # sketches have no images, so no mean has them
    pair = report["means"]["[s]*"]
    both = [
        alone[name]["controls"]["random ranking"]["metrics"]["mAP"] for name in ("sketch", "style")
    ]
    assert pair["controls"]["random ranking"]["metrics"]["mAP"] == pytest.approx(np.mean(both))
    assert "image only" not in pair["controls"]
    assert report["figures"] == ["mAP"]
    everything = [np.mean(both), alone["composed"]["controls"]["random ranking"]["metrics"]["mAP"]]
    assert report["controls"]["random ranking"]["metrics"]["mAP"] == pytest.approx(
        np.mean(everything)
    )
    both_tasks = zscr("evaluate", trained.bundle, "--task", "style", "--task", "composed")
    encoded = re.findall(r"features \(.*gallery\): (\d+)/", both_tasks.stderr)
    assert encoded == ["8", "8"], "gallery and references, once for both tasks"
    shown = both_tasks.stdout
    mean = np.mean([alone[name]["metrics"]["mAP"] for name in ("style", "composed")])
    assert re.search(rf"mean of these means +{mean:.3f} +-\n", shown), "Recall@2 is of one"
    for options, named in (
        (["--task", "x*"], "has no task 'x*'; it has text, sketch, composed, style"),
        (["--task", "style", "--task", "st*"], "name one twice"),
        (["--task", "st*", "--report", tmp_path / "p.html"], "are of one task"),
        (["--task", "st*", "--server-file", tmp_path], "--server-file takes one --task"),
    ):
        refused = zscr("evaluate", trained.bundle, *options)
        assert refused.exit_code
        assert named in refused.stderr
