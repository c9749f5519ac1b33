"""Graphs with two ports on one head: exported, proven and routed without code for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
import torch

from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.errors import ConfigError, InputError
from zscr.export.heads import DeployedHead, build_graph, deployed_heads
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import Encoder, load_encoder
from zscr.train.encoders.onnx import run_bytes
from zscr.train.encoders.tfidf import TfidfConfig, fit_tfidf
from zscr.train.methods.contract import Head, Port
from zscr.train.run import Run
from zscr.train.sources import load_sources

INPUTS = {
    "text": ["input_ids", "attention_mask"],
    "composed": ["image/pixels", "text/attention_mask", "text/input_ids"],
    "strokes": ["image/pixels", "sketch/pixels"],
    "gallery": ["pixels"],
}


def test_every_graph_is_proven(handmade: Bundle) -> None:
    """Each head is a graph of its own with parity; each query graph agrees on the top 10."""
    body = handmade.manifest.body
    assert list(body["graphs"]) == list(INPUTS)
    for name, entry in body["graphs"].items():
        assert entry["output"] == f"{name}_embedding"
        parity = entry["variants"]["fp32"]["parity"]
        assert 0 <= parity["max_abs"] < 1e-5
        assert parity["samples"] == 6  # of the two validation classes
    assert body["top10_overlap"] == {"text": 1.0, "composed": 1.0, "strokes": 1.0}


@pytest.mark.parametrize("name", INPUTS)
def test_prefixes_keep_several_encoders_apart(handmade: Bundle, name: str) -> None:
    """One encoder keeps its inputs' names; two have a prefix each, as the manifest says."""
    model = onnx.load(handmade.folder / f"{name}.onnx")
    assert sorted(value.name for value in model.graph.input) == sorted(INPUTS[name])
    specs = handmade.graphs[name]["inputs"]
    assert sorted(key for spec in specs for key in spec["names"]) == sorted(INPUTS[name])


def test_queries_are_routed_by_the_fields_that_they_fill(handmade: Bundle) -> None:
    """A text, a text with an image, a sketch with an image; an image alone asks for its like."""
    routes = {"text": {"text"}, "composed": {"text", "image"}, "strokes": {"sketch", "image"}}
    for name, fields in {**routes, "gallery": {"image"}}.items():
        assert handmade.route(frozenset(fields)) is handmade.graph(name)
    with pytest.raises(InputError, match="text or image and text or image and sketch or image"):
        handmade.route(frozenset({"sketch"}))


@pytest.mark.parametrize(("name", "first"), [("composed", "text"), ("strokes", "sketch")])
def test_a_composed_query_equals_torch(
    handmade: Bundle, handmade_run: Run, name: str, first: str
) -> None:
    """Computed by hand: each encoder's rows, then the head, in the order of its ports."""
    collection, encoders = load_sources(handmade_run)
    head = handmade_run.load_model().heads()[name]
    items = collection.split("unseen")
    images = [collection.folder / item.image for item in items]
    firsts = [i.texts[0] if first == "text" else collection.folder / i.sketch for i in items]
    kind = "text" if first == "text" else "image"
    rows = [
        encoders[kind].encode(Query.of(kind, firsts)),
        encoders["image"].encode(Query.of("image", images)),
    ]
    with torch.no_grad():
        expected = head.module(*map(torch.from_numpy, rows)).numpy()
    queries = [
        Query("", image=image, **{first: value})
        for image, value in zip(images, firsts, strict=True)
    ]
    found = handmade.route(frozenset({first, "image"})).encode(queries, batch_size=4)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.fixture
def tokens_encoder(tmp_path: Path, tiny_image: Path) -> Encoder:
    """An encoder with two outputs, of which the second is made of the first."""
    model = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["": 18]>
        eyes (float[batch, 3, 8, 8] pixels) => (float[batch, 3] tokens, float[batch, 3] features)
        <int64[2] sides = {2, 3}> {
            tokens = ReduceMean <keepdims = 0> (pixels, sides)
            features = Relu (tokens) }""")
    onnx.save(model, tmp_path / "model.onnx")
    preprocess = {"image_size": 8, "resample": "bilinear", "rescale": 1 / 255}
    preprocess |= {"mean": [0.5] * 3, "std": [0.5] * 3}
    spec = {"field": "image", "kind": "image", "names": ["pixels"], "preprocess": preprocess}
    return Encoder(tmp_path / "model.onnx", [spec], output="features", name="eyes", sha256="")


class Difference(torch.nn.Module):
    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return first - 2 * second


def test_the_same_encoder_may_stand_at_two_ports(tokens_encoder: Encoder) -> None:
    """Its other outputs and inner tensors are kept apart, too."""
    head = Head(Difference(), (Port("sketch"), Port("image")), "query")
    graph = build_graph(DeployedHead("two", head, (tokens_encoder,) * 2, ((3,), (3,))))
    a, b = np.random.default_rng(7).standard_normal((2, 5, 3, 8, 8)).astype(np.float32)
    expected = np.maximum(a.mean((2, 3)), 0) - 2 * np.maximum(b.mean((2, 3)), 0)
    found = run_bytes(graph, {"sketch/pixels": a, "image/pixels": b})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_tfidf_is_gathered_beside_another_encoder(
    tmp_path: Path, tokens_encoder: Encoder, handmade_run: Run
) -> None:
    """A prefix before its tensors does not hide what the wide row is made of."""
    fit_tfidf(["red bird", "blue bird sea"], tmp_path / "words", "words", TfidfConfig(min_texts=1))
    words = load_encoder(tmp_path / "words")
    shapes = {"text": (words.dim,), "image": (3,), "sketch": (3,)}
    module = type(handmade_run.load_model().heads()["composed"].module)((words.dim, 3), 4)
    head = Head(module, (Port("text"), Port("image")), "query")
    encoders = {"text": words, "image": tokens_encoder}
    [deployed] = deployed_heads({"composed": head}, encoders, shapes)
    graph = build_graph(deployed)
    assert "ScatterElements" not in {node.op_type for node in graph.graph.node}
    feeds = words.prepare(Query.of("text", ["red sea", "bird"])).feeds
    pixels = np.random.default_rng(7).standard_normal((2, 3, 8, 8)).astype(np.float32)
    rows = words.run(feeds), np.maximum(pixels.mean((2, 3)), 0)
    with torch.no_grad():
        expected = module(*map(torch.from_numpy, rows)).numpy()
    named = {f"text/{name}": value for name, value in feeds.items()}
    found = run_bytes(graph, named | {"image/pixels": pixels})
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_two_published_vectors_are_no_query() -> None:
    """A query holds one vector, which both ports would be fed with."""
    head = Head(Difference(), (Port("text"), Port("image")), "query")
    with pytest.raises(ConfigError, match="graph 'both' would take .* of text and image"):
        deployed_heads({"both": head}, {}, {"text": (3,), "image": (3,)})


def test_published_vectors_may_stand_beside_an_encoder(
    tokens_encoder: Encoder, pairs: Path
) -> None:
    """The vector is named after its port, the only encoder needs no prefix."""
    head = Head(Difference(), (Port("text"), Port("image")), "query")
    encoders = {"image": tokens_encoder}
    [deployed] = deployed_heads({"mixed": head}, encoders, {"text": (3,), "image": (3,)})
    graph = build_graph(deployed)
    assert [(spec["field"], spec["names"]) for spec in deployed.specs] == [
        ("vector", ["text_vector"]),
        ("image", ["pixels"]),
    ]
    image = read_collection(pairs).folder / "red-a-image.png"
    query = Query("", image=image, vector=np.float32([1, 2, 3]))
    feeds = tokens_encoder.prepare([query]).feeds
    expected = query.vector - 2 * tokens_encoder.run(feeds)
    found = run_bytes(graph, {**feeds, "text_vector": query.vector[None]})
    np.testing.assert_allclose(found, expected, atol=1e-6)
