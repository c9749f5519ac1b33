"""A training loads the tables that its method needs, and asks no more of a collection."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from zscr.data.collection import ClassInfo, Item, new_collection, read_collection
from zscr.errors import CollectionError, ConfigError
from zscr.train.evaluation.evaluate import evaluate_model
from zscr.train.fit import Request, fit
from zscr.train.run import Run, open_run
from zscr.train.sources import choose_encoders, load_sources


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the cache of encoders at an empty folder, so that it tells which were made."""
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/encoders"


@pytest.fixture
def bare(scenes: Path, tmp_path: Path) -> Any:
    """Return a function that copies the scenes without classes, texts or sketches."""

    def make(*, classes: bool = False, texts: bool = False, sketches: bool = False) -> Path:
        path, source = tmp_path / "bare", read_collection(scenes)
        with new_collection(path, name="bare", protocol="test", provenance={}) as draft:
            for split, names in source.splits.items():
                for name in names if classes else ():
                    draft.add_class(ClassInfo(name, name), split)
            for item in source.items:
                kept = {"image": item.image, "sketch": item.sketch if sketches else None}
                kept |= {"class_id": item.class_id if classes else None}
                for file in filter(None, (item.image, kept["sketch"])):
                    (draft.folder / file).write_bytes((scenes / file).read_bytes())
                draft.add_item(Item(item.id, item.split, texts=item.texts * texts, **kept))
        return path

    return make


def train(collection: Path, out: Path, image: Path, text: Path | None = None, **settings) -> Run:
    encoders = {"image_encoder": str(image), "text_encoder": text and str(text)}
    return fit(Request("plain", collection, out, settings, **encoders, device="cpu"))


def tables_of(plain: ModuleType) -> list[dict[str, tuple[int, ...]]]:
    """Return the shapes that were bound: of the seen classes, and in the refit of both."""
    return [state["tables"] for name, state in plain.CALLS if name == "bind"]


def test_without_texts_sketches_ask(
    plain: ModuleType, bare: Any, tiny_image: Path, tmp_path: Path, cache: Path
) -> None:
    """No text encoder is chosen, converted or loaded; the sketch's encoder is the image's."""
    collection = bare(classes=True, sketches=True)
    run = train(collection, tmp_path / "run", tiny_image, asks="sketch", rate=0.1, rounds=4)
    both = {"image": (32, 16), "sketch": (16, 16)}
    assert tables_of(plain) == [{"image": (24, 16), "sketch": (12, 16)}, both]
    assert run.shapes == {"image": (16,), "sketch": (16,)}
    assert set(open_run(run.folder).sources) == {"collection", "image"}
    assert set(load_sources(run)[1]) == {"image"}
    assert not cache.exists()
    rows = [json.loads(line) for line in run.log.read_text().splitlines()]
    losses = [row["loss/nce"] for row in rows if row["round"] and "refit" not in row]
    assert losses[-1] < losses[0]


def test_without_classes_items_are_the_groups(
    plain: ModuleType, bare: Any, tiny_image: Path, tiny_text: Path, tmp_path: Path
) -> None:
    """Each image with its own caption, which it is judged by, too."""
    collection = bare(texts=True)
    run = train(collection, tmp_path / "run", tiny_image, tiny_text, per="item", least=1)
    both = {"image": (32, 16), "text": (32, 32)}
    assert tables_of(plain) == [{"image": (24, 16), "text": (24, 32)}, both]
    assert 0 < run.best["value"] <= 1
    report = evaluate_model(run.folder)
    assert (report["queries"], report["gallery"]) == (8, 8)
    assert 0 < report["captions"]["text to image"]["metrics"]["R@10"] <= 1


def test_a_method_that_needs_texts_is_told_that_there_are_none(
    plain: ModuleType, bare: Any, tiny_image: Path, tiny_text: Path, tmp_path: Path
) -> None:
    """In one sentence with the numbers, and no run is left behind."""
    collection = bare(classes=True, sketches=True)
    with pytest.raises(CollectionError, match="split 'seen' .* has 24 images and 0 texts"):
        train(collection, tmp_path / "run", tiny_image, tiny_text)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("method", ["zscrgan", "zscrgan-reference"])
def test_a_method_of_classes_is_told_that_there_are_none(
    bare: Any, tiny_image: Path, tiny_text: Path, tmp_path: Path, method: str
) -> None:
    """Captions and images alone are no classes."""
    encoders = {"image_encoder": str(tiny_image), "text_encoder": str(tiny_text)}
    request = Request(method, bare(texts=True), tmp_path / "run", **encoders, device="cpu")
    with pytest.raises(CollectionError, match="split 'seen' .* has 0 images and 0 texts"):
        fit(request)


def test_an_encoder_that_nothing_needs_is_refused(
    plain: ModuleType, bare: Any, tiny_image: Path, tiny_text: Path, tmp_path: Path
) -> None:
    """It would be ignored."""
    collection = bare(classes=True, sketches=True)
    with pytest.raises(ConfigError, match="--text-encoder: the method needs no texts; leave it"):
        train(collection, tmp_path / "run", tiny_image, tiny_text, asks="sketch")


def test_the_recipe_names_what_is_not_wished(
    plain: ModuleType, scenes: Path, tiny_image: Path, tiny_text: Path
) -> None:
    """A wish goes before the recipe, the recipe before the default; only needed ones are loaded."""
    collection, needs = read_collection(scenes), plain.needs(plain.Config())
    own = {"image": str(tiny_image), "text": str(tiny_text)}
    for wished, other in (("image", "text"), ("text", "image")):
        recipe = {wished: "no-such-encoder", other: own[other]}
        encoders = choose_encoders(collection, needs, {wished: own[wished], other: None}, recipe)
        names = {name: encoder and encoder.name for name, encoder in encoders.items()}
        assert names == {"image": "tiny-image", "text": "tiny-text"}
    sketches = plain.needs(plain.Config(asks="sketch"))
    assert set(choose_encoders(collection, sketches, {}, own)) == {"image"}
