"""A text encoder cut to its first layers, and what cannot be cut."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from transformers import BertConfig, BertModel

from zscr.artefact import read_manifest
from zscr.cli import main
from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.errors import ConfigError, InputError
from zscr.infer.encoder import load_encoder
from zscr.train.encoders.resolve import cut, text_encoder

TEXTS = ("a red circle", "small large a on grey ground", "a")


@pytest.fixture(scope="module")
def deep(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny BERT with three layers, whose norms are no identities."""
    folder = shutil.copytree(tiny_bert, tmp_path_factory.mktemp("deep") / "deep")
    config = BertConfig.from_pretrained(folder)
    config.num_hidden_layers = 3
    torch.manual_seed(1)
    model = BertModel(config)
    for norm in (layer.output.LayerNorm for layer in model.encoder.layer):
        torch.nn.init.uniform_(norm.weight, 0.5, 2)
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_rows_are_pooled_from_the_layer_that_is_last(deep: Path, layers: int, shapes: Path) -> None:
    """As the whole model, asked by torch itself, has its states behind that layer."""
    folder = text_encoder(cut(str(deep), layers) or "", read_collection(shapes))
    encoder = load_encoder(folder)
    found = encoder.encode(Query.of("text", TEXTS))
    model = BertModel.from_pretrained(deep).eval()
    for text, row in zip(TEXTS, found, strict=True):
        ids = torch.from_numpy(encoder.prepare(Query.of("text", [text])).feeds["input_ids"])
        with torch.no_grad():
            states = model(ids, output_hidden_states=True).hidden_states[layers][0]
        mean = states.mean(0).numpy()
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-5)
    assert f"-{layers}-layers-" in folder.name
    assert read_manifest(folder, "encoder").body["layers"] == layers


def test_whole_and_cut_are_kept_apart(deep: Path, shapes: Path) -> None:
    """Of one checkpoint, with one hash; and joined ones take their own."""
    collection = read_collection(shapes)
    found = {text_encoder(name, collection) for name in (str(deep), f"{deep}#1", f"{deep}#2")}
    assert len(found) == 3
    joined = load_encoder(text_encoder(f"tfidf+{deep}#1", collection))
    assert joined.dim == 32 + load_encoder(text_encoder("tfidf", collection)).dim


def test_a_folder_with_the_mark_in_its_name_is_that_folder(deep: Path, shapes: Path) -> None:
    """What is there by its whole name is meant."""
    odd = shutil.copytree(deep, deep.parent / "odd#2", dirs_exist_ok=True)
    assert "layers" not in text_encoder(str(odd), read_collection(shapes)).name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{deep}#4", "has 3 layers, not 4; take as many or fewer"),
        ("{deep}#0", "the first '0' layers; give a number from 1"),
        ("{deep}#two", "the first 'two' layers"),
        ("tfidf#2", "'tfidf' has no layers"),
        ("{frozen}#2", "a frozen encoder already"),
        ("{graph}#1", "has a graph, whose layers cannot be told apart"),
        ("{clip}#1", "no model whose first 1 layers could stand alone"),
    ],
)
def test_what_cannot_be_cut_is_refused(
    name: str, message: str, deep: Path, shapes: Path, tmp_path: Path
) -> None:
    """In one sentence, before a model is loaded."""
    collection = read_collection(shapes)
    graph, clip = (shutil.copytree(deep, tmp_path / kind) for kind in ("graph", "clip"))
    (graph / "model.onnx").write_bytes(b"any")
    (clip / "config.json").write_text('{"model_type": "clip", "num_hidden_layers": 3}')
    frozen = text_encoder(str(deep), collection) if "frozen" in name else ""
    with pytest.raises((ConfigError, InputError), match=message):
        text_encoder(name.format(deep=deep, graph=graph, clip=clip, frozen=frozen), collection)


def test_train_takes_the_number_of_layers(deep: Path, shapes: Path, tmp_path: Path) -> None:
    """As a user types it; the run remembers the encoder that it was trained on."""
    typed = ["train", "--collection", shapes, "--out", tmp_path / "run", "--text-encoder", deep]
    typed += ["--text-layers", 2, "--rounds", 1, "--image-encoder", "small-cnn"]
    typed += ["--set", "batch_size=4"]
    done = CliRunner().invoke(main, [str(one) for one in typed])
    assert done.exit_code == 0, done.output
    assert "deep-2-layers" in (tmp_path / "run/manifest.json").read_text()
