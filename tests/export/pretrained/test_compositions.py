"""What an exported bundle composes queries by: the words it was asked, and what is made of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zscr.artefact import read_manifest, staged
from zscr.cli import main
from zscr.data.records import Query
from zscr.errors import ConfigError, InputError
from zscr.export.composition import write_compositions
from zscr.export.words import Words, embed_words, read_words
from zscr.infer.composition.context import WORDS
from zscr.infer.composition.words import own_words
from zscr.infer.index.add import add_images
from zscr.infer.searcher import Searcher

DOCUMENT = (Path(__file__).parents[3] / "docs/formats.md").read_text()
FILES = {"instead.npy", "text_mean.npy", "projection.npy", "samples.npy", "context.txt"}


def load(folder: Path, name: str) -> Any:
    return np.load(folder / f"{name}.npy").astype(np.float64)


def test_own_words_are_measured(exported: Callable[[str], Any]) -> None:
    """Means, projection and samples are those of the embeddings of zscr's own lists."""
    bundle = exported("clip").bundle
    own, text = own_words(), bundle.graph("text")
    things, styles = (
        text.encode(Query.of("text", words)).astype(np.float64)
        for words in (own.objects, own.styles)
    )
    folder = bundle.folder
    assert set(bundle.manifest.files) >= FILES
    assert load(folder, "text_mean") == pytest.approx(things.mean(axis=0), abs=1e-6)
    assert load(folder, "instead") == pytest.approx(styles.mean(axis=0), abs=1e-6)
    v = load(folder, "projection")
    a, b = things - things.mean(axis=0), styles - things.mean(axis=0)
    c = 0.8 * a.T @ a / (len(a) - 1) - 0.2 * b.T @ b / (len(b) - 1) + 1e-5
    values = np.linalg.eigvalsh(c)
    assert v.shape == (bundle.dim, (values > 0).sum())
    assert np.trace(v.T @ c @ v) == pytest.approx(values[values > 0].sum(), rel=1e-4)
    words = (folder / "context.txt").read_text().splitlines()
    assert len(words) == WORDS
    assert set(words) <= set(own.objects)
    assert {tuple(row) for row in np.load(folder / "samples.npy")} <= {
        tuple(row) for row in np.concatenate([things, styles]).astype(np.float32)
    }
    assert [*bundle.compositions] == ["arithmetic", "basic", "basic-expanded"]
    assert bundle.manifest.body["provenance"]["words"] is None


def test_files_and_fields_are_described(exported: Callable[[str], Any]) -> None:
    """In the section of the formats that is about them."""
    section = DOCUMENT.split("### Compositions\n")[1].split("\n### ")[0]
    named = set(re.findall(r"`([^`]+)`", section))
    body = exported("clip").bundle.manifest.body["compositions"]
    found = set(FILES) | set(body)
    for entry in body.values():
        found |= set(entry) | set(entry["fusion"] if "fusion" in entry else {})
        for channel in entry["channels"]:
            found |= set(channel)
    assert found - named == {"about"} & (found - named)


def test_a_pretrained_model_composes_by_every_way(
    exported: Callable[[str], Any], tmp_path: Path
) -> None:
    """Minima are measured on the index, of however few images; arithmetic is the default."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(6):
        noise = rng.integers(0, 256, (24, 32, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "photos" / f"{number}.png")
    bundle = exported("clip").bundle
    added = add_images(bundle, tmp_path / "index", [tmp_path / "photos"])
    searcher = Searcher(bundle, added.index)
    image = tmp_path / "photos" / "3.png"
    assert searcher.search("a dog", images=image)[0].composition == "arithmetic"
    ways = bundle.composed[frozenset({"image", "text"})]
    assert {*ways} >= {"basic", "basic-expanded", "average", "product", "slerp", "weicom"}
    for name in ways:
        [answer] = searcher.search("a dog", images=image, compose=name, k=10)
        assert len(answer.hits) == 6, name
        assert np.isfinite([hit.score for hit in answer.hits]).all()


@pytest.fixture
def lists(tmp_path: Path) -> dict[str, Path]:
    """Files of words of a user's own, with a blank line and a repeated word."""
    own = {"objects": [f"thing {n}" for n in range(40)], "styles": [f"in {n}" for n in range(9)]}
    own["vocabulary"] = ["dog", "", "cat", "dog", "tree"]
    for name, words in own.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(words) + "\n")
    return {name: tmp_path / f"{name}.txt" for name in own}


def test_a_users_own_words(
    saved: Callable[[str], Path], exported: Callable[[str], Any], tmp_path: Path, lists: Any
) -> None:
    """By the command line; the space is the same, and other words are another bundle."""
    options = [part for name, path in lists.items() for part in (f"--{name}", str(path))]
    named = ["export", f"clip:{saved('clip')}", "--out", str(tmp_path / "own")]
    done = CliRunner().invoke(main, [*named, *options])
    assert done.exit_code == 0, done.output
    assert "2 lines that are blank or were there before are left out" in done.output
    manifest = read_manifest(tmp_path / "own", "bundle")
    assert [*manifest.body["compositions"]][-1] == "freedom"
    assert (tmp_path / "own/vocabulary.txt").read_text() == "dog\ncat\ntree\n"
    assert np.load(tmp_path / "own/vocabulary.npy").shape == (3, manifest.body["dim"])
    assert manifest.body["space"] == exported("clip").bundle.space
    assert set(manifest.body["provenance"]["words"]) == set(lists)
    again = CliRunner().invoke(main, [*named, *options])
    assert "is of this checkpoint already" in again.output
    other = CliRunner().invoke(main, named)
    assert other.exit_code == 1
    assert "made of other lists of words (of" in other.output


def test_too_few_words_leave_basic_out_and_say_so(
    exported: Callable[[str], Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What stands on enough of them is there; without a graph of images nothing is."""
    bundle, styles = exported("clip").bundle, tuple(f"in {n}" for n in range(9))
    text, graphs = bundle.graph("text"), bundle.graphs
    with staged(tmp_path / "few", "bundle") as stage:
        write = partial(write_compositions, stage, graphs, text, bundle.dim)
        assert [*write(Words(("dog", "cat"), styles))] == ["arithmetic"]
        assert "knows 2 of the words for things" in capfd.readouterr().err
        assert write(Words(("dog",), ("in",))) == {}
        told = capfd.readouterr().err
        assert "knows 1 of the words for styles, and fewer than 8 make no mean: arithmetic" in told
        assert "compositions with no data of their own: 2 words" in told
        with pytest.raises(ConfigError, match="the model knows no word of the vocabulary"):
            write(Words(("dog",), ("in",), ("\u200b",)))
        alone = {"text": graphs["text"]}
        assert write_compositions(stage, alone, text, bundle.dim, Words(("dog",), ("in",))) == {}
        own = Words((), styles, files={"styles": "0" * 64})
        with pytest.raises(ConfigError, match="--styles are for a model of texts and images"):
            write_compositions(stage, alone, text, bundle.dim, own)


def test_a_short_list_of_ones_own_is_enough(exported: Callable[[str], Any], tmp_path: Path) -> None:
    """Somebody chose these words, however few."""
    bundle, files = exported("clip").bundle, dict.fromkeys(("objects", "styles"), "0" * 64)
    with staged(tmp_path / "few", "bundle") as stage:
        write = partial(write_compositions, stage, bundle.graphs, bundle.graph("text"), bundle.dim)
        own = Words(("dog", "cat", "tree"), ("as a sketch", "at night"), files=files)
        assert [*write(own)] == ["arithmetic", "basic", "basic-expanded"]
        assert load(stage.folder, "projection").shape[0] == bundle.dim


def test_a_word_over_the_limit_is_told(
    exported: Callable[[str], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """The model reads its beginning, and it stays."""
    bundle = exported("clip").bundle
    words = ("dog", "the small " * 40 + "dog")
    known = embed_words(bundle.graph("text"), bundle.dim, "things", words)
    assert known.words == words
    told = capfd.readouterr().err
    assert "1 of 2 words of things are longer than the model reads and cut" in told
    assert "unknown" not in told


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "holds 0 words"), (b"\n \n", "holds 0 words"), (b"a\xff\n", "UTF-8"), (None, "")],
)
def test_a_list_that_is_none_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    """Before anything is exported, with its name."""
    if content is not None:
        (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(InputError, match=f"list.txt.*{said}|{said}.*list.txt"):
        read_words(styles=tmp_path / "list.txt")


def test_words_are_for_texts_and_images(tmp_path: Path, lists: Any) -> None:
    """An image encoder alone composes nothing."""
    asked = ["export", "image:efficientnet-lite0", "--styles", str(lists["styles"])]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 2
    assert "--styles goes with clip:NAME" in done.output


def test_a_bundle_of_an_older_release_is_told(
    saved: Callable[[str], Path], exported: Callable[[str], Any], tmp_path: Path
) -> None:
    """It holds no data to compose by, and the same export leaves it as it is."""
    made = exported("clip").bundle
    body = {key: value for key, value in made.manifest.body.items() if "composition" not in key}
    about = {key: value for key, value in body["provenance"].items() if key != "words"}
    with staged(tmp_path / "old", "bundle") as stage:
        for name in made.manifest.files.keys() - FILES:
            (stage.folder / name).write_bytes((made.folder / name).read_bytes())
        stage.body |= body | {"provenance": about}
    for place, is_old in ((tmp_path / "old", True), (made.folder, False)):
        done = CliRunner().invoke(main, ["export", f"clip:{saved('clip')}", "--out", str(place)])
        assert done.exit_code == 0, done.output
        told = "an older zscr made it, without data to compose by; remove it to make it anew"
        assert (told in done.output) == is_old
