"""`zscr evaluate --compose` of a pretrained bundle: its compositions beside their controls."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.export.pretrained.test_composed import DIM, WIDTH, mapper_file
from zscr.cli import main
from zscr.data.collection import Item, new_collection
from zscr.data.records import Query
from zscr.data.relevance import Truth
from zscr.data.task_files import TaskInfo, TaskRow
from zscr.export.pretrained.job import export_pretrained
from zscr.export.words import read_words
from zscr.infer.bundle import Bundle
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.language.mappers import Im2Text

IMAGES, TEXTS = 30, ("red", "blue and small", "by the sea")
SENTENCES = ("a photo of * in red", "a small * , blue", "* by the sea")
CONTROLS = {
    "average": "mean of image and text",
    "product": "product",
    "slerp": "Slerp",
    "arithmetic": "text arithmetic",
    "basic": "BASIC",
    "basic-expanded": "BASIC, expanded",
    "freedom": "FreeDom",
}


def rows_of(texts: tuple[str, ...], split: str) -> list[TaskRow]:
    """Ask with each image of a split: for two others, itself left out."""
    rows = []
    for place in range(IMAGES):
        ids = [f"{split}{(place + step) % IMAGES}" for step in range(3)]
        query = Query(ids[0], texts[place % 3], f"{ids[0]}.png", instead_of="green")
        truth = Truth(dict.fromkeys(ids[1:], 1.0), (ids[0],))
        rows.append(TaskRow(query, split, ids[0], truth))
    return rows


def half_of(name: str) -> int:
    """Return which half of its split's images an image is of."""
    return int(name.removeprefix("val").removeprefix("unseen")) * 2 // IMAGES


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a collection of noise, with one task of bare texts and one of whole sentences."""
    path, rng = tmp_path_factory.mktemp("noise") / "noise", np.random.default_rng(8)
    with new_collection(path, name="noise", protocol="test", provenance={}) as draft:
        for name in (f"{split}{n}" for split in ("val", "unseen") for n in range(IMAGES)):
            pixels = np.kron(rng.integers(0, 256, (4, 4, 3)), np.ones((12, 12, 1)))
            Image.fromarray(pixels.astype(np.uint8)).save(draft.folder / f"{name}.png")
            draft.add_item(Item(name, name.rstrip("0123456789"), None, f"{name}.png"))
        for name, texts in (("edits", TEXTS), ("sentences", SENTENCES)):
            rows = [row for split in ("val", "unseen") for row in rows_of(texts, split)]
            draft.add_task(TaskInfo(name, figures=("R@5", "mAP")), rows)
        halves = {f"half {n}": [i.id for i in draft.items if half_of(i.id) == n] for n in (0, 1)}
        own = [
            replace(row, gallery=f"half {half_of(row.query.id)}")
            for row in rows
            if len({*map(half_of, [row.query.id, *row.truth.relevant])}) == 1
        ]
        draft.add_task(TaskInfo("halves", galleries=halves), own)
        said = [replace(r, query=Query(r.query.id, "red")) for r in rows]
        draft.add_task(TaskInfo("said"), said)
    return path


@pytest.fixture(scope="module")
def bundle(saved: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """Export a small CLIP with a mapper and a vocabulary."""
    folder = tmp_path_factory.mktemp("evaluated")
    (folder / "words.txt").write_text("cat\nsmall dog\nred bird\nhouse by the sea\n")
    mapper = mapper_file(folder / "m.pt", Im2Text(DIM, WIDTH, middle=16), "state_dict_img2text")
    words = read_words(vocabulary=folder / "words.txt")
    return export_pretrained(str(saved("clip")), folder / "clip", mapper=mapper, words=words)


def evaluated(bundle: Bundle, noise: Path, *args: str) -> Result:
    command = ["evaluate", str(bundle.folder), "--collection", str(noise), *args]
    return CliRunner().invoke(main, command)


def test_every_composition_is_its_control_where_nothing_is_chosen(
    bundle: Bundle, noise: Path
) -> None:
    """What is served and what stands beside it are two pieces of code: no query tells them apart.

    On validation queries the published numbers stand, as in the bundle.
    """
    assert {*CONTROLS} < {*bundle.composed[frozenset({"image", "text"})]}
    found = {}
    for name, control in CONTROLS.items():
        asked = Question("edits", "val", noise, compose=name)
        report = evaluate_model(bundle.folder, asked)
        found[name] = report["metrics"]["mAP"]
        assert report["composition"] == name
        beside = report["controls"][control]
        assert beside["difference"]["mean"] == pytest.approx(0, abs=1e-12), name
        assert beside["difference"]["interval"] == pytest.approx([0, 0], abs=1e-12), name
        assert beside["differences"]["R@5"]["ahead"] == 0
        same = {control, *(["weighted average"] if name == "average" else [])}  # half of each
        others = {n: c for n, c in report["controls"].items() if n not in same}
        assert all(c["difference"]["ahead"] > 0 for c in others.values()), name
    assert len(set(found.values())) == len(found)


def test_a_query_finds_neighbours_in_its_own_gallery_alone(bundle: Bundle, noise: Path) -> None:
    """Where queries search one of two galleries: both pieces of code, for both second searches."""
    for name in ("basic-expanded", "freedom"):
        report = evaluate_model(bundle.folder, Question("halves", "val", noise, compose=name))
        assert (report["queries"], report["gallery"]) == (26, 30)
        found = report["controls"][CONTROLS[name]]["difference"]
        assert [found["mean"], *found["interval"]] == pytest.approx([0, 0, 0], abs=1e-12), name


def test_the_bundles_first_composition_is_judged_and_the_place_is_its_own(
    bundle: Bundle, noise: Path
) -> None:
    """A sentence's `*` is where the graph puts the image; what embeds a text alone drops it."""
    report = json.loads(evaluated(bundle, noise, "--task", "sentences", "--json").stdout)
    assert report["composition"] == next(iter(bundle.compositions))
    graph = bundle.graph(bundle.compositions[report["composition"]].graph)
    files = [noise / f"unseen{n}.png" for n in range(IMAGES)]
    asked = [Query("", SENTENCES[n % 3], file) for n, file in enumerate(files)]
    queries = graph.encode(asked)
    gallery = bundle.gallery.encode(Query.of("image", files))
    assert report["metrics"]["mAP"] == pytest.approx(by_hand(queries @ gallery.T), abs=1e-9)
    spoken = ("a photo of in red", "a small , blue", "by the sea")
    text = bundle.route(frozenset({"text"})).encode(Query.of("text", spoken))
    scores = text[np.arange(IMAGES) % 3] @ gallery.T
    found = report["controls"]["text only"]["metrics"]["mAP"]
    assert found == pytest.approx(by_hand(scores), abs=1e-9)
    assert report["controls"]["text arithmetic"]["about"].endswith("mean of 30 validation texts")


def by_hand(scores: np.ndarray) -> float:
    """Return the mean average precision of each image's two successors, itself left out."""
    values = []
    for place, row in enumerate(scores):
        order = [n for n in np.argsort(-row, kind="stable") if n != place]
        ranks = sorted(order.index((place + step) % IMAGES) + 1 for step in (1, 2))
        values.append((1 / ranks[0] + 2 / ranks[1]) / 2)
    return float(np.mean(values))


def test_the_page_shows_what_was_asked_and_which_composition_ran(
    bundle: Bundle, noise: Path, tmp_path: Path
) -> None:
    """Reference image, text and what it replaces; a difference of the task's own figure."""
    args = ("--task", "edits", "--compose", "basic", "--report", str(tmp_path / "page.html"))
    done = evaluated(bundle, noise, *args)
    assert done.exit_code == 0, done.output
    assert "clip (bundle) composes by basic\n" in done.stdout
    assert "\nR@5 of clip (bundle) less that of another, paired, 95 % over queries:" in done.stdout
    page = (tmp_path / "page.html").read_text("utf-8")
    for part in ("composed by", "asked with this image", "instead of green", "ahead of it (R@5)"):
        assert part in page, part
    assert "chosen on validation queries" in page
    assert "lambda 0" in page


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ("--task", "edits", "--compose", "magic"),
            "composes image and text by .*, not by 'magic'",
        ),
        (
            ("--task", "said", "--compose", "product"),
            "task 'said' asks by text alone; leave it out",
        ),
    ],
)
def test_what_cannot_be_judged_is_one_sentence(
    bundle: Bundle, noise: Path, args: tuple[str, ...], message: str
) -> None:
    """A name that is none, and queries of one field."""
    done = evaluated(bundle, noise, *args)
    assert done.exit_code == 1
    assert done.stderr.count("Error:") == 1
    assert re.search(message, done.stderr), done.stderr
