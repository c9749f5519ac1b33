"""The char-CNN-RNN: the released network, the same in ONNX, and usable from training to query."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from zscr.artefact import read_manifest
from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.export.deploy import deploy
from zscr.export.tensorrt.builder import build_engine
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.searcher import Searcher
from zscr.train.encoders import fitted, resolve
from zscr.train.encoders.char_cnn_rnn import (
    CharCnnRnn,
    CharCnnRnnConfig,
    new_network,
    train_char_cnn_rnn,
)
from zscr.train.encoders.joint_embedding import Training
from zscr.train.fit import Request, fit

TINY = CharCnnRnnConfig((4, 6, 8), length=84, init=0.3, training=Training(epochs=2))
QUICK = {"gf_dim": 8, "df_dim": 8, "z_dim": 2, "batch_size": 4, "landmarks": 16}
QUICK |= {"e_steps": 2, "critic_steps": 2, "rounds": 1, "validate_every": 1}


@pytest.fixture(scope="module")
def trained(shapes: Path, tiny_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    """Train a tiny one on the shapes for a moment."""
    out = tmp_path_factory.mktemp("encoders") / "tiny-characters"
    collection, image = read_collection(shapes), load_encoder(tiny_image)
    train_char_cnn_rnn(collection, image, out, "tiny-characters", TINY)
    return load_encoder(out)


def test_released_sizes() -> None:
    """201 characters become 8 steps, and the parameters are those counted by hand."""
    network = CharCnnRnn(CharCnnRnnConfig(), dim=1024)
    ids = torch.randint(0, 71, (2, 201))
    assert network.blocks(network.one_hot[ids].transpose(1, 2)).shape == (2, 256, 8)
    assert network(ids).shape == (2, 1024)
    convolutions = 70 * 4 * 384 + 384 + 384 * 4 * 512 + 512 + 512 * 4 * 256 + 256
    recurrent, output = 2 * (256 * 256 + 256), 256 * 1024 + 1024
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert parameters == convolutions + recurrent + output == 1_814_144


def plain_forward(network: CharCnnRnn, ids: list[int]) -> np.ndarray:
    """Run the network on one text with a loop a time step, from its weights alone -> (D,)."""
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    rows = [np.eye(70)[number - 1] if number else np.zeros(70) for number in ids]
    for block, stride in ((0, 3), (3, 3), (6, 2)):
        kernel, bias = weights[f"blocks.{block}.weight"], weights[f"blocks.{block}.bias"]
        spans = [np.stack(rows[i : i + 4], axis=1) for i in range(len(rows) - 3)]
        rows = [(kernel * span).sum((1, 2)) + bias for span in spans]
        rows = [np.where(row > 1e-6, row, 0) for row in rows]
        rows = [np.max(rows[i : i + 3], axis=0) for i in range(0, len(rows) - 2, stride)]
    inputs = [weights["input.weight"] @ row + weights["input.bias"] for row in rows]
    states = [np.maximum(inputs[0], 0)]
    for row in inputs[1:]:
        before = weights["recurrent.weight"] @ states[-1] + weights["recurrent.bias"]
        states.append(np.maximum(row + before, 0))
    return weights["output.weight"] @ np.mean(states, axis=0) + weights["output.bias"]


def test_network_equals_plain_loops() -> None:
    """Windows, thresholds, poolings, the first step without a recurrent bias, the mean state."""
    network = new_network(replace(TINY, length=120), dim=5)
    ids = torch.randint(0, 71, (3, 120), generator=torch.Generator().manual_seed(1))
    ids[1, 30:] = 0
    with torch.no_grad():
        found = network(ids).numpy()
    for row, text in zip(found, ids.tolist(), strict=True):
        np.testing.assert_allclose(row, plain_forward(network, text), atol=1e-5)
    assert np.abs(found[0] - found[2]).max() > 1e-3


def test_graph_serves_every_batch(shapes: Path, trained: Encoder) -> None:
    """1, 3 and 8 texts at a time give the rows of all at once, as wide as the image features."""
    collection = read_collection(shapes)
    groups = collection.texts(collection.splits["seen"]).values()
    texts = Query.of("text", [text for group in groups for text in group])
    rows = trained.encode(texts, batch_size=len(texts))
    for size in (1, 3, 8):
        np.testing.assert_allclose(trained.encode(texts, batch_size=size), rows, atol=1e-5)
    assert rows.shape == (30, 16)
    assert rows.std(0).max() > 1e-3
    assert (trained.fields, trained.name) == ({"text"}, "tiny-characters")
    body = read_manifest(trained.graph.parent, "encoder").body
    assert body["max_abs_difference_to_torch"] <= 1e-5
    assert body["source"] == "trained on 30 texts of seen classes"
    assert 1 <= body["validation"]["epoch"] <= 2


def test_same_bytes_without_the_unseen_images(
    shapes: Path, tiny_image: Path, trained: Encoder, tmp_path: Path
) -> None:
    """The seed alone decides, not torch's global generator, and unseen classes are not read."""
    copy = tmp_path / "shapes"
    shutil.copytree(shapes, copy, ignore=shutil.ignore_patterns("features"))
    collection = read_collection(copy)
    for item in collection.split("unseen"):
        (copy / str(item.image)).unlink()
    torch.manual_seed(99)
    before = torch.get_rng_state()
    train_char_cnn_rnn(collection, load_encoder(tiny_image), tmp_path / "out", "again", TINY)
    assert torch.equal(torch.get_rng_state(), before)
    assert (tmp_path / "out/model.onnx").read_bytes() == trained.graph.read_bytes()


def test_from_its_name_to_an_answer(
    shapes: Path, tiny_image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained once for a collection and an image encoder, merged into the query graph, asked."""
    monkeypatch.setenv("ZSCR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(fitted.CHARACTERS, "char-cnn-rnn", TINY)
    monkeypatch.chdir(tmp_path)
    encoders = {"image_encoder": str(tiny_image), "text_encoder": "char-cnn-rnn"}
    run = fit(Request("zscrgan", shapes, settings=QUICK, **encoders, device="cpu"))
    [made] = (tmp_path / "cache/encoders").iterdir()
    image = load_encoder(tiny_image)
    assert resolve.text_encoder("char-cnn-rnn", read_collection(shapes), image) == made
    bundle = deploy(run.folder).bundle
    graph = bundle.manifest.body["graphs"]["text"]
    [spec] = graph["inputs"]
    assert (spec["kind"], spec["shape"]) == ("characters", ["batch", 84])
    assert graph["variants"]["fp32"]["parity"]["max_abs"] < 1e-5
    texts = ["A small WHITE circle", "a white square", "a whité " * 20]
    answers = Searcher.open(bundle.folder).search(texts, k=3)
    assert [len(answer.hits) for answer in answers] == [3, 3, 3]
    cut = ("truncated to 84 characters", "1 unknown: é")
    assert [answer.notes for answer in answers] == [(), (), cut]


@pytest.mark.engines
def test_an_engine_is_built_of_it(trained: Encoder, tmp_path: Path) -> None:
    """TensorRT parses the unrolled RNN; only the batch is dynamic."""
    pytest.importorskip("tensorrt_rtx", reason="needs the extra 'trt-rtx'")
    info = build_engine(trained.graph, tmp_path / "text.engine", targets=["sm86"])
    allowed = info.profiles[1]["characters"]
    assert (allowed.min, allowed.max) == ((2, 84), (8, 84))
