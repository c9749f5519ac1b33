"""`zscr evaluate --server-file`: a trained model ranks what servers judge; sums of two texts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from click.testing import CliRunner, Result

from tests.data.sources.triplets.trees import circo, cirr, fashioniq
from zscr.cli import main
from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.data.sources.triplets.circo import convert_circo
from zscr.data.sources.triplets.cirr import convert_cirr
from zscr.data.sources.triplets.fashioniq import convert_fashioniq
from zscr.data.tasks import load_task
from zscr.train.evaluation.models import open_models
from zscr.train.fit import Request, fit

SETTINGS = {"composed": True, "rounds": 1, "rate": 0.2, "seed": 10}


def zscr(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.fixture(scope="module")
def run(
    plain_module: ModuleType,
    scenes: Path,
    tiny_image: Path,
    tiny_text: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Train a head that takes an image and a text."""
    folder = tmp_path_factory.mktemp("trained")
    encoders = {"image_encoder": str(tiny_image), "text_encoder": str(tiny_text)}
    return fit(Request("plain", scenes, folder / "run", SETTINGS, **encoders, device="cpu")).folder


def best_first(run: Path, collection: Path, name: str) -> tuple[list[str], list[list[str]]]:
    """Rank a task's gallery by hand, the model's own vectors given."""
    [model] = open_models([run], collection)
    task = load_task(model.collection, name, "unseen")
    embedded = model.rank(task)
    scores = np.round(embedded.queries.astype(float) @ embedded.gallery.T.astype(float), 9)
    order = np.argsort(-scores, axis=1, kind="stable")
    return [q.id for q in task.queries], [[task.gallery[n] for n in row] for row in order]


def test_files_for_both_servers(run: Path, tmp_path: Path) -> None:
    """CIRR's without the reference, CIRCO's with it, in the order of the model's own vectors."""
    convert_cirr(cirr(tmp_path / "CIRR"), tmp_path / "cirr")
    args = ("evaluate", run, "--collection", tmp_path / "cirr", "--task", "test1")
    done = zscr(*args, "--server-file", tmp_path / "files")
    assert done.exit_code == 0, done.output
    names = ["cirr_recall.json", "cirr_recall_subset.json"]
    assert done.stdout.splitlines() == [str(tmp_path / "files" / name) for name in names]
    recall, subset = (json.loads((tmp_path / "files" / name).read_text()) for name in names)
    ids, rankings = best_first(run, tmp_path / "cirr", "test1")
    for q, (query, ranking) in enumerate(zip(ids, rankings, strict=True)):
        kept = [name for name in ranking if name != f"test1-{q}-0-img0"]
        members = [f"test1-{n}-0-img0" for n in range(q, q + 6)]
        assert recall[query] == kept[:50]
        assert subset[query] == [name for name in kept if name in members][:3]
    convert_circo(circo(tmp_path / "CIRCO"), tmp_path / "circo")
    args = ("evaluate", run, "--collection", tmp_path / "circo", "--task", "test")
    done = zscr(*args, "--server-file", tmp_path / "files")
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "files/circo_test.json").read_text())
    ids, rankings = best_first(run, tmp_path / "circo", "test")
    assert content == {i: [*map(int, row[:50])] for i, row in zip(ids, rankings, strict=True)}


def test_figures_without_answers_and_files_without_a_server(run: Path, tmp_path: Path) -> None:
    """Either way one sentence says what there is instead, and nothing is written."""
    convert_cirr(cirr(tmp_path / "CIRR"), tmp_path / "cirr")
    args = ("evaluate", run, "--collection", tmp_path / "cirr")
    for more, why in (
        (("--task", "test1"), "not published, so there are no figures; .* --server-file FOLDER"),
        (("--task", "val", "--server-file", tmp_path / "f"), "has its answers here.* one of test1"),
        (
            ("--task", "test1", "--server-file", tmp_path / "f", "--generalised"),
            "rankings and no figures; leave out",
        ),
    ):
        done = zscr(*args, *more)
        assert done.exit_code, done.output
        assert not done.stdout
        assert re.search(why, done.stderr.replace("\n", " ")), done.stderr
    assert not (tmp_path / "f").exists()
    done = zscr(*args, "--task", "val", "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["figures"] == ["R@1", "R@5", "R@10", "R@50"]
    assert "image only" in report["controls"]


def test_a_mean_of_two_texts(run: Path, tmp_path: Path) -> None:
    """SEARLE's two orders: unit vectors added up, and the sum unit again."""
    convert_fashioniq(fashioniq(tmp_path / "f"), tmp_path / "c", caption_order="searle")
    [model] = open_models([run], tmp_path / "c")
    task = load_task(read_collection(tmp_path / "c"), "val-dress", "unseen")
    found = model.rank(task).queries
    for row, query in zip(found, task.queries, strict=True):
        terms = [Query("x", term.query.text, term.query.image) for term in query.terms or ()]
        rows = model.encode(terms).rows
        total = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).sum(axis=0)
        assert len(terms) == 2
        np.testing.assert_allclose(row, total / np.linalg.norm(total), atol=1e-6)
    done = zscr("evaluate", run, "--collection", tmp_path / "c", "--task", "original")
    assert done.exit_code == 0, done.output
    assert "R@10 macro" in done.stdout
    assert "mean of image and text" in done.stdout


def test_a_pattern_leaves_out_what_a_server_judges(run: Path, tmp_path: Path) -> None:
    """`*` of CIRR is answered as far as answers are here, and the rest is told."""
    convert_cirr(cirr(tmp_path / "CIRR"), tmp_path / "cirr")
    done = zscr("evaluate", run, "--collection", tmp_path / "cirr", "--task", "*", "--json")
    assert done.exit_code == 0, done.output
    assert [*json.loads(done.stdout)["tasks"]] == ["val", "val-subset"]
    assert "test1: a server keeps the answers, so '*' leaves that out\n" in done.stderr
