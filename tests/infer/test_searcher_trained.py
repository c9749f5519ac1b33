"""A trained, exported and indexed model answers as a brute-force ranking of its graphs does."""

from __future__ import annotations

import json
import os

import numpy as np
import onnxruntime
from PIL import Image
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from zscr.artefact import read_manifest

TEXTS = [
    "small white circle",
    "a large square",
    "red red red",
    "a white square on grey ground",
]


def embedded(graph, **feeds):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0].astype(np.float64)


def gallery_of(bundle, index):
    """Every entry of the index with its embedding, from its image's file."""
    [segment] = index.glob("segment.*")
    lines = load_file(segment)["entries"].tobytes().decode().splitlines()
    [root] = read_manifest(index, "index").body["roots"]
    rows = [json.loads(line) for line in lines]
    rows = [row | {"image": os.path.join(root["path"], row["image"])} for row in rows]
    pixels = np.stack([np.asarray(Image.open(row["image"]).convert("RGB")) for row in rows])
    pixels = ((pixels.astype(np.float32) / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2)
    return rows, embedded(bundle / "gallery.onnx", pixels=pixels)


def brute_force(bundle, index):
    """Every text's images, best first, from the two graphs and the images' files alone."""
    rows, gallery = gallery_of(bundle, index)
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    for text in TEXTS:
        encoding = tokenizer.encode(text)
        ids = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask}
        query = embedded(bundle / "text.onnx", **{k: np.array([v]) for k, v in ids.items()})
        scores = (gallery @ query.T)[:, 0]
        yield [(rows[row]["id"], scores[row]) for row in np.argsort(-scores)]


def test_answers_equal_brute_force(deployed, searcher):
    """The same images in the same order, with their cosines."""
    expected = list(brute_force(deployed.bundle, deployed.index))
    answers = searcher.search(TEXTS, k=5)
    assert [answer.query.text for answer in answers] == TEXTS
    for answer, ranking in zip(answers, expected, strict=True):
        assert [hit.id for hit in answer.hits] == [name for name, _ in ranking[:5]]
        scores = [score for _, score in ranking[:5]]
        np.testing.assert_allclose([hit.score for hit in answer.hits], scores, atol=1e-5)
        assert [hit.rank for hit in answer.hits] == [1, 2, 3, 4, 5]


def test_an_image_finds_itself_and_then_its_like(deployed, searcher):
    """The trained model has no graph for images as queries: its gallery graph answers them."""
    rows, gallery = gallery_of(deployed.bundle, deployed.index)
    [answer] = searcher.search(images=[rows[3]["image"]], k=8)
    order = np.argsort(-(gallery @ gallery[3]))
    assert [hit.id for hit in answer.hits] == [rows[row]["id"] for row in order]
    assert answer.hits[0].id == rows[3]["id"]
    assert {hit.correct for hit in answer.hits} == {None}


def test_only_known_answers_are_marked(searcher):
    """The export's examples have a right class; about any other text nothing is claimed."""
    known, unknown = searcher.search(["small white circle", "small white circles"], k=8)
    assert [hit.correct for hit in known.hits] == [h.class_id == "white-circle" for h in known.hits]
    assert {hit.correct for hit in known.hits} == {True, False}
    assert {hit.correct for hit in unknown.hits} == {None}
