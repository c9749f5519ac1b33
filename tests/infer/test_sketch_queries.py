"""Drawings as queries, from the shell and from Python: batches, notes, the page, refusals."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw, ImageOps

import zscr
from zscr.cli import main
from zscr.errors import InputError
from zscr.infer.bundle import Bundle
from zscr.infer.index.add import add_images
from zscr.infer.inputs.strokes import CUT, TURNED
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher

COUNT = 4  # drawings


def drawn(number):
    """Return a drawing whose place on the sheet depends on its number."""
    image = Image.new("RGB", (64, 64), "white")
    corner = (6 + 10 * (number % 2), 6 + 20 * (number // 2))
    ImageDraw.Draw(image).rectangle((*corner, corner[0] + 30, corner[1] + 12), "black")
    return image


@pytest.fixture(scope="session")
def drawings(tmp_path_factory):
    """Return a folder of drawings, numbered from 0."""
    folder = tmp_path_factory.mktemp("sketches") / "drawings"
    folder.mkdir()
    for number in range(COUNT):
        drawn(number).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def sketcher(drawings, make_bundle, tmp_path_factory):
    """Return a bundle that embeds a sketch as it embeds an image, and an index of the drawings."""
    folder = tmp_path_factory.mktemp("bundles") / "sketcher"
    make_bundle(folder, takes="sketch", query=0)
    bundle = Bundle.open(folder, Runtime(threads=1))
    add_images(bundle, bundle.index_folder, [drawings])
    return folder


@pytest.fixture
def ask(sketcher):
    """Return a function that runs `zscr query` over that bundle."""

    def run(*words, stdin=None):
        about = ["query", "--bundle", str(sketcher), "--threads", "1", "-k", "1"]
        return CliRunner().invoke(main, [*about, *map(str, words)], input=stdin)

    return run


def parsed(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def found(result):
    """Return the number of the drawing that each query found first."""
    return [[hit["id"][-5] for hit in row["hits"]] for row in parsed(result)]


def test_a_drawing_finds_what_it_shows(ask, drawings, sketcher):
    """From a file, standard input, a line of JSON and Python, all the same."""
    file = drawings / "2.png"
    lines = drawings / "queries.jsonl"
    lines.write_text('{"sketch": "2.png"}\n{"id": "b", "sketch": "0.png"}\n')
    assert found(ask("--sketch", file)) == [["2"]]
    assert found(ask("--sketch", "-", stdin=file.read_bytes())) == [["2"]]
    assert found(ask("--file", lines)) == [["2"], ["0"]]
    answers = Searcher.open(sketcher).search(sketches=[file, drawn(3)], k=1)
    assert [answer.hits[0].id[-5] for answer in answers] == ["2", "3"]
    assert "notes" not in parsed(ask("--sketch", file))[0]
    lines.unlink()


def test_several_drawings_are_a_query_each(ask, drawings):
    """Files in the order in which they are named, folders in that of their names."""
    files = [drawings / "3.png", drawings / "1.png"]
    assert found(ask("--sketch", files[0], "--sketch", files[1])) == [["3"], ["1"]]
    result = ask("--sketch", files[0], "--sketch", drawings)
    assert found(result) == [["3"], ["0"], ["1"], ["2"], ["3"]]
    assert [row["id"] for row in parsed(result)] == ["1", "2", "3", "4", "5"]


def test_a_blank_drawing_costs_the_others_nothing(ask, drawings, tmp_path):
    """Its answer is the reason; the command ends with 1 and the count. Alone it is the error."""
    blank = tmp_path / "blank.png"
    Image.new("RGB", (64, 64), "white").save(blank)
    result = ask("--sketch", drawings / "1.png", "--sketch", blank, "--sketch", drawings / "2.png")
    assert found(result) == [["1"], [], ["2"]]
    assert re.search(r"query 2 .*blank\.png shows no drawing", parsed(result)[1]["error"])
    assert result.exit_code == 1
    assert "1 of 3 queries could not be answered; the first: query 2" in result.stderr
    alone = ask("--sketch", blank)
    assert (alone.exit_code, alone.stdout) == (1, "")
    assert (
        "blank.png shows no drawing: no stroke stands out from the paper; draw larger"
        in alone.stderr
    )


def test_a_drawing_that_is_not_there_costs_the_others_nothing(ask, drawings, tmp_path):
    """Between two that are; its answer names the file, as a blank one's does."""
    result = ask("--sketch", drawings / "1.png", "--sketch", tmp_path / "no.png", "--sketch", "-",
                 stdin=(drawings / "2.png").read_bytes())  # fmt: skip
    assert found(result) == [["1"], [], ["2"]]
    assert parsed(result)[1]["error"].endswith("no.png does not exist")
    assert result.exit_code == 1


@pytest.fixture
def spoilt(tmp_path):
    """Return files of a drawing that is light on dark, and of one in the corner of a sheet."""
    light, small = tmp_path / "light.png", tmp_path / "small.png"
    ImageOps.invert(drawn(1)).save(light)
    sheet = Image.new("RGB", (900, 900), "white")
    sheet.paste(drawn(1), (0, 800))
    sheet.save(small)
    return light, small


def test_the_answer_says_what_was_done_to_a_drawing(ask, spoilt):
    """A note each, beside what it finds; the table shows it with the query."""
    light, small = spoilt
    result = ask("--sketch", light, "--sketch", small)
    assert [row["notes"] for row in parsed(result)] == [[TURNED], [CUT]]
    assert found(result)[0] == ["1"]
    assert f"light.png  ({TURNED})" in ask("--sketch", light, "--format", "table").stdout


def test_the_page_shows_a_drawing_as_it_was_seen(ask, drawings, spoilt, tmp_path):
    """Beside the drawing as it was given, where both differ; one that is refused is passed over."""
    Image.new("RGB", (9, 9)).save(tmp_path / "blank.png")
    files = (tmp_path / "blank.png", drawings / "0.png", spoilt[0])
    words = [word for file in files for word in ("--sketch", file)]
    result = ask(*words, "--format", "html")
    captions = re.findall("<figcaption>(.*?)</figcaption>", result.stdout)
    asked, seen = "asked with this sketch", "as the model saw it"
    assert captions == [asked, asked, asked, seen]
    assert "could not be shown" not in result.stdout
    assert len(re.findall("data:image/jpeg", result.stdout)) == 5  # blank, 0, light, prepared, 1


def test_what_is_no_drawing_is_refused(ask, drawings, tmp_path):
    """One sentence each, with the fix."""
    (tmp_path / "empty").mkdir()
    for words, sentence in {
        ("--sketch", tmp_path / "no.png"): "--sketch is .*no.png, which does not exist; name an im",
        ("--sketch", ""): "'--sketch': it is empty; name a file or folder",
        ("--sketch", tmp_path / "empty"): "--sketch is .*empty, a folder without images; name one",
        ("--sketch", drawings, "--text", "red"): "--text and --image go with one --sketch, not wit",
        ("--sketch", drawings, "--compose", "slerp"): "--compose and --instead-of go with a text",
    }.items():
        result = ask(*words)
        assert result.exit_code in (1, 2)
        assert re.search(sentence, result.stderr), result.stderr
    piped = ask("--sketch", "-", stdin=b"no image")
    assert "the drawing on standard input is not a JPEG, PNG" in piped.stderr


def test_a_model_without_sketches_says_so(bundle_folder, sketcher, drawings):
    """In one sentence, with what it takes."""
    searcher = Searcher.open(bundle_folder, Bundle.open(sketcher).index_folder)
    with pytest.raises(InputError, match="'birds' answers queries of .*text.*, not of sketch$"):
        searcher.search(sketches=drawings / "0.png")


def test_a_drawing_finds_images_in_folders(sketcher, drawings, tmp_path, monkeypatch):
    """`zscr find --sketch` and `zscr.find`, with a model that takes drawings; twice it is a sum."""
    monkeypatch.setenv("ZSCR_HOME", str(tmp_path / "home"))
    shutil.copytree(sketcher, tmp_path / "home" / "models" / "sketcher")
    shutil.copytree(drawings, tmp_path / "photos")
    words = ["find", "--threads", "1", "-k", "1", "--sketch", str(drawings / "1.png")]
    one = CliRunner().invoke(main, [*words, str(tmp_path / "photos")])
    assert found(one) == [["1"]]
    twice = CliRunner().invoke(main, [*words, "--sketch", words[-1], str(tmp_path / "photos")])
    assert found(twice) == [["1"]]
    answer = zscr.find(sketches=drawings / "2.png", folders=tmp_path / "photos", model="sketcher")
    assert answer.hits[0].id == "photos/2.png"
    np.testing.assert_allclose(*(parsed(one)[0]["hits"][0]["score"] for one in (one, twice)))
    with pytest.raises(InputError, match="not of sketch and text"):
        Searcher.open(sketcher).search(["red"], sketches=[drawings / "1.png"])
