"""A run of `clip` as a base: its text encoder's own tower, with the run's projection behind it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.train.pic2word.conftest import SETTINGS
from zscr.data.records import Query
from zscr.errors import ConfigError, MismatchError
from zscr.infer.encoder import load_encoder
from zscr.train.fit import Request, fit
from zscr.train.methods.losses import unit
from zscr.train.methods.pic2word.run_base import run_base
from zscr.train.run import Run


@pytest.fixture(scope="module")
def bert(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny BERT as a sentence encoder that lists all of its stages."""
    folder = shutil.copytree(tiny_bert, tmp_path_factory.mktemp("published") / "bert")
    names = ("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "")
    stages = [{"type": f"sentence_transformers.models.{n}", "path": path} for n, path in names]
    (folder / "modules.json").write_text(json.dumps(stages))
    own = {"tokenizer_class": "PreTrainedTokenizerFast", "pad_token": "[PAD]"}
    (folder / "tokenizer_config.json").write_text(json.dumps(own))  # or tokens would be added
    return folder


@pytest.fixture(scope="module")
def clip(
    scenes: Path, tiny_image: Path, bert: Path, tmp_path_factory: pytest.TempPathFactory
) -> Run:
    """Fit a run of `clip` behind the frozen tiny encoders."""
    out = tmp_path_factory.mktemp("clip") / "run"
    encoders = {"image_encoder": str(tiny_image), "text_encoder": str(bert)}
    settings = {"rounds": 1, "dim": 8, "dropout": 0.0, "batch_size": 8}
    return fit(Request("clip", scenes, out, settings, device="cpu", refit=False, **encoders))


def test_the_tower_embeds_plain_texts_as_the_run_does(clip: Run, bert: Path) -> None:
    """Ids through word vectors and projection are what the frozen encoder and the head give."""
    base: Any = run_base(clip.folder, str(bert))
    encoder = load_encoder(base.encoders["text"])
    queries = Query.of("text", ["red circle", "a small blue square", "green"])
    expected = base.text(torch.from_numpy(encoder.encode(queries)))
    ids, mask = map(torch.from_numpy, encoder.prepare(queries).feeds.values())
    tower = base.language.tower
    with torch.no_grad():
        found = tower(ids, mask, torch.full((3,), -1), torch.zeros(3, 1, tower.width))
    assert (found - expected).abs().max() < 1e-4
    head = clip.load_model().heads()["text"].module
    assert (unit(found) - head(torch.from_numpy(encoder.encode(queries)))).abs().max() < 1e-4
    assert found.square().mean(1).allclose(torch.ones(3))


def test_a_mapper_stands_on_it(clip: Run, bert: Path, scenes: Path, tmp_path: Path) -> None:
    """Selected by stored queries; gallery and texts are the run's own."""
    asked = {**SETTINGS, "base": clip.folder, "language": bert, "rounds": 1}
    run = fit(Request("pic2word", scenes, tmp_path / "run", asked, device="cpu", refit=False))
    rows = torch.randn(4, *run.shapes["image"])
    own, base = (one.load_model().heads()["gallery"].module for one in (run, clip))
    assert torch.allclose(own(rows), base(rows), atol=1e-6)


def test_another_text_model_is_refused(clip: Run, bert: Path, tmp_path: Path) -> None:
    """Of the same sizes, but other weights: the words would mean nothing."""
    other = shutil.copytree(bert, tmp_path / "other")
    weights = load_file(other / "model.safetensors")
    weights["encoder.layer.0.output.dense.weight"] *= 1.1
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    with pytest.raises(MismatchError, match="does not compute what the checkpoint of that name"):
        run_base(clip.folder, str(other))


def test_a_run_of_another_method_is_refused(deployed: Any) -> None:
    """One sentence, which says what a base is."""
    with pytest.raises(ConfigError, match="is a run of zscrgan-reference"):
        run_base(deployed.run)
