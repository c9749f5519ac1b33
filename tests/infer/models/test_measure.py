"""Measuring models: their speed on this machine, kept for the next list, and their recall."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from zscr.data.collection import Collection, Item, new_collection, read_collection
from zscr.infer.bundle import Bundle
from zscr.infer.index.add import add_images
from zscr.infer.models.listing import list_models
from zscr.infer.models.measure import measure_models
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher


@pytest.fixture(scope="module")
def captioned(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    """Make a collection of 12 images of one colour each, with two captions."""
    path, rng = tmp_path_factory.mktemp("captioned") / "colours", np.random.default_rng(5)
    words = ["red", "sea", "grass", "night", "a stone", "sun", "fog", "wine", "sky", "moss"]
    with new_collection(path, name="colours", protocol="captions", provenance={}) as draft:
        for number in range(12):
            split = "seen" if number == 0 else "val" if number == 1 else "unseen"
            colour = tuple(int(value) for value in rng.integers(0, 256, 3))
            Image.new("RGB", (30, 20), colour).save(draft.folder / f"{number}.png")
            texts = (f"{words[number % 10]} of {number % 3 * 'a'}b", words[number % 7])
            draft.add_item(Item(str(number), split, None, f"{number}.png", texts=texts))
    return read_collection(path)


def test_models_are_timed_and_the_next_list_shows_it(
    home: Path,
    dual: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    run: Callable[..., Any],
    rows: Callable[..., Any],
) -> None:
    """With all cores and with one thread, on drawn images; a model of images has no text."""
    dual(home / "models/both")
    dual(home / "models/images", seed=2, texts=False)
    assert rows("--measure")["both"]["measured"] is not None
    found = rows()
    both, images = found["both"]["measured"], found["images"]["measured"]
    counts = sorted({Runtime().thread_count, 1}, reverse=True)
    assert [one["threads"] for one in both["speeds"]] == counts
    for speed in both["speeds"]:
        assert 0 < speed["text_ms"] < 1e4
        assert 0.1 < speed["image_ms"] < 1e4, "a photo's size cannot be decoded in less"
    assert {one["text_ms"] for one in images["speeds"]} == {None}
    assert both["recall"] is None
    assert "onnxruntime" in both["ran"]
    assert "8 drawn images of 1600x1200" in run("--format", "table").stdout


def test_recall_is_that_of_answers(
    home: Path, dual: Callable[..., Path], captioned: Collection, tmp_path: Path
) -> None:
    """The share of captions that find their own image among the first k by exact search."""
    folder = dual(home / "models/small")
    measure_models([folder], captioned)
    [row] = [row for row in list_models() if row.name == "small"]
    recall = row.measured.recall
    items = captioned.split("unseen")
    bundle = Bundle.open(folder)
    add_images(bundle, tmp_path / "index", [captioned.folder / str(i.image) for i in items])
    texts = [(text, item) for item in items for text in item.texts]
    answers = Searcher.open(folder, tmp_path / "index").search([text for text, _ in texts], k=10)
    ranks = [
        [Path(hit.id).stem for hit in answer.hits].index(item.id)
        for answer, (_, item) in zip(answers, texts, strict=True)
    ]
    expected = [float(np.mean([rank < k for rank in ranks])) for k in (1, 5, 10)]
    assert [recall.at_1, recall.at_5, recall.at_10] == pytest.approx(expected)
    assert 0 < recall.at_1 < recall.at_5 < 1
    assert (recall.queries, recall.gallery, recall.collection) == (20, 10, "colours")
    assert row.best is None, "there is no other to compare it with"


def test_a_recall_outlives_a_measurement_without_one(
    home: Path, dual: Callable[..., Path], captioned: Collection, rows: Callable[..., Any]
) -> None:
    """A model that is replaced under its name has none of what was measured of the other."""
    folder = dual(home / "models/small")
    assert rows("--measure", captioned.folder)["small"]["measured"]["recall"]["at_10"] == 1
    assert rows("--measure")["small"]["measured"]["recall"]["at_10"] == 1
    shutil.rmtree(folder)
    dual(folder, seed=3)
    assert rows()["small"]["measured"] is None


def test_a_model_that_fails_costs_the_others_nothing(
    captioned: Collection,
    home: Path,
    dual: Callable[..., Path],
    run: Callable[..., Any],
    rows: Callable[..., Any],
) -> None:
    """It is named with the reason; so is a measurement that cannot be read, which is replaced."""
    dual(home / "models/sound")
    broken = dual(home / "models/broken", seed=2)
    (broken / "text.onnx").write_bytes(b"\0" * (broken / "text.onnx").stat().st_size)
    done = run("--measure", captioned.folder, "--format", "table")
    assert done.exit_code == 0
    assert "has 10 images to judge on, among which every model has R@10 1" in done.stderr
    assert "broken could not be measured: " in done.stderr
    assert "text.onnx is damaged" in done.stderr
    [kept] = (home / "measured").iterdir()
    kept.write_text("{")
    again = run("--format", "jsonl")
    assert (again.exit_code, "cannot be read" in again.stderr) == (0, True)
    kept.write_bytes(b" " * (1 << 17))
    again = run("--format", "jsonl")
    assert (again.exit_code, "cannot be read" in again.stderr) == (0, True)
    assert rows("--measure", captioned.folder)["sound"]["measured"] is not None


def test_a_small_vocabulary_is_measured_on_its_own_examples(
    home: Path,
    dual: Callable[..., Path],
    captioned: Collection,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where it knows none of the texts that others are measured on; it has no recall on them."""
    knowing = dual(home / "models/greek", alphabet="αβγ", examples="αγ")
    dual(home / "models/mute", seed=2, alphabet="αβγ")
    measure_models([knowing, home / "models/mute"], captioned)
    told = capsys.readouterr().err
    assert "mute could not be measured: no character of the text" in told
    assert "greek could not be measured: 20 of 20 texts fail" in told
    rows = {row.name: row for row in list_models()}
    assert rows["mute"].measured is None
    assert rows["greek"].measured.speeds[0].text_ms > 0
    assert (rows["greek"].measured.recall, rows["greek"].best) == (None, None)


def test_a_collection_of_vectors_is_refused(
    home: Path, dual: Callable[..., Path], vectors: Path, run: Callable[..., Any]
) -> None:
    dual(home / "models/small")
    done = run("--measure", vectors)
    assert done.exit_code == 1
    assert "holds published vectors, and models are measured on images and texts" in done.stderr
    assert not (home / "measured").exists()
