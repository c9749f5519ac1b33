"""A published model with a mapper, asked by `zscr query`: the image as a word, or beside a text."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from tests.export.pretrained.test_composed import composed as composed
from tests.export.pretrained.test_composed import mapper as mapper
from zscr.cli import main
from zscr.data.records import Query
from zscr.infer.bundle import Bundle

Zscr = Callable[..., Result]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw six images of noise."""
    folder, rng = tmp_path_factory.mktemp("photos") / "photos", np.random.default_rng(5)
    folder.mkdir()
    for number in range(6):
        pixels = rng.integers(0, 256, (40, 40 + number, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def bundle(composed: Callable[[str], Bundle]) -> Bundle:
    """Return the small CLIP's bundle with a mapper, whose graph is called `composed`."""
    return composed("clip")


@pytest.fixture(scope="module")
def asked(bundle: Bundle, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Zscr:
    """Return a function that runs `zscr query` over an index of the images."""
    index = tmp_path_factory.mktemp("index") / "photos"
    made = CliRunner().invoke(
        main, ["index", "add", str(photos), "--bundle", str(bundle.folder), "--index", str(index)]
    )
    assert made.exit_code == 0, made.output

    def ask(*args: object) -> Result:
        about = ["query", "--bundle", str(bundle.folder), "--index", str(index), "--threads", "1"]
        return CliRunner().invoke(main, [*about, *map(str, args)])

    return ask


def answer(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_image_is_a_word_of_the_sentence(asked: Zscr, bundle: Bundle, photos: Path) -> None:
    """As the graph says: a caption in the model's sentence, or a sentence that has a place."""
    image = photos / "3.png"
    pairs = [("red", "a photo of * , red"), ("a red * by the sea", "a red * by the sea")]
    gallery = bundle.gallery.encode(Query.of("image", sorted(photos.iterdir())))
    for text, sentence in pairs:
        found = answer(asked("--image", image, "--text", text, "--compose", "pic2word"))
        assert found["composition"] == "pic2word"
        scores = bundle.graph("composed").encode([Query(text=sentence, image=image)]) @ gallery.T
        assert [hit["score"] for hit in found["hits"]] == pytest.approx(
            sorted(scores[0].tolist(), reverse=True), abs=1e-5
        )
        assert not any("above_unrelated" in hit for hit in found["hits"])


def test_the_way_is_the_first_that_can_answer(asked: Zscr, photos: Path) -> None:
    """A `*` asks for a sentence, what is replaced for arithmetic; else it is the default."""
    image = photos / "3.png"
    default = answer(asked("--image", image, "--text", "red"))["composition"]
    first = asked("--image", image, "--text", "red", "--compose", "x").stderr
    assert re.search(f"composes image and text by {default}, .*not by 'x'", first)
    assert answer(asked("--image", image, "--text", "a * in red"))["composition"] == "pic2word"
    replaced = answer(asked("--image", image, "--text", "red", "--instead-of", "blue"))
    assert replaced["composition"] == "arithmetic"


def test_long_captions_are_cut_in_the_caption_and_told(
    asked: Zscr, bundle: Bundle, photos: Path
) -> None:
    """Never in the model's sentence: what is left of the caption is what is asked for."""
    image, long = photos / "3.png", "red " * 30
    found = answer(asked("--image", image, "--text", long, "--compose", "pic2word"))
    assert found["notes"] == ["truncated to 20 tokens"]
    short = answer(asked("--image", image, "--text", "red " * 13, "--compose", "pic2word"))
    assert short.get("notes") is None
    assert [hit["score"] for hit in found["hits"]] == [hit["score"] for hit in short["hits"]]
    average = answer(asked("--image", image, "--text", long, "--compose", "average"))
    assert "truncated to 20 tokens" in average["notes"]


@pytest.mark.parametrize(
    ("text", "compose", "message"),
    [
        ("* and *", "pic2word", "2 places for the image"),
        ("a red*", "pic2word", "touches another character"),
        ("*", "average", "'average' puts none into a text; leave it out or compose by pic2word"),
        ("a * in red", "arithmetic", "'arithmetic' puts none|say it: instead_of"),
    ],
)
def test_a_place_that_is_none_is_one_sentence(
    asked: Zscr, photos: Path, tmp_path: Path, text: str, compose: str, message: str
) -> None:
    """In the shell, and in a file whose other lines have their answers."""
    image = photos / "3.png"
    done = asked("--image", image, "--text", text, "--compose", compose)
    assert (done.exit_code, done.stdout) == (1, "")
    assert re.fullmatch(f"Error: query 1 .*({message}).*\n", done.stderr), done.stderr
    row = {"image": str(image), "text": text, "compose": compose}
    sound = {"image": str(image), "text": "a * in red"}
    file = tmp_path / "queries.jsonl"
    file.write_text("\n".join(map(json.dumps, (sound, row, sound))))
    done = asked("--file", file)
    first, wrong, last = map(json.loads, done.stdout.splitlines())
    assert done.exit_code == 1
    assert re.search(message, wrong["error"])
    assert first["hits"] == last["hits"] != []


def test_instead_of_means_nothing_to_a_sentence(asked: Zscr, photos: Path) -> None:
    """The composition that subtracts it is named."""
    args = ("--image", photos / "3.png", "--text", "red", "--instead-of", "blue")
    done = asked(*args, "--compose", "pic2word")
    assert done.exit_code == 1
    assert "'pic2word' does not use; leave it out or compose by arithmetic" in done.stderr
    place = asked("--image", photos / "3.png", "--text", "a * in red", "--instead-of", "blue")
    assert "has a * in its text" in place.stderr
