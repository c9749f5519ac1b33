"""Captions in, images out: the answers of a brute-force ranking, whatever the batch."""

from __future__ import annotations

import itertools
import json
import shutil

import numpy as np
import onnxruntime
import pytest
from PIL import Image
from tokenizers import Tokenizer

from zscr.artefact import read_manifest, staged, write_manifest
from zscr.errors import ArtefactError, InputError, MismatchError
from zscr.infer.index.index import Entry, Index
from zscr.infer.queries import Caption
from zscr.infer.searcher import BATCH, Searcher

TEXTS = ["small white circle", "a large square", "", "red red red", "a white square on grey ground"]


def embedded(graph, **feeds):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)[0].astype(np.float64)


def brute_force(bundle, index):
    """Every text's images, best first, from the two graphs and the images' files alone."""
    rows = [json.loads(line) for line in (index / "ids.1.jsonl").read_text().splitlines()]
    pixels = np.stack([np.asarray(Image.open(row["image"]).convert("RGB")) for row in rows])
    pixels = ((pixels.astype(np.float32) / 255 - 0.5) / 0.5).transpose(0, 3, 1, 2)
    gallery = embedded(bundle / "gallery.onnx", pixels=pixels)
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    for text in TEXTS:
        encoding = tokenizer.encode(text)
        ids = {"input_ids": encoding.ids, "attention_mask": encoding.attention_mask}
        query = embedded(bundle / "query.onnx", **{k: np.array([v]) for k, v in ids.items()})
        scores = (gallery @ query.T)[:, 0]
        yield [(rows[row]["id"], scores[row]) for row in np.argsort(-scores)]


def test_answers_equal_brute_force(deployed, searcher):
    """The same images in the same order, with their cosines."""
    expected = list(brute_force(deployed.bundle, deployed.index))
    answers = searcher.search(TEXTS, k=5)
    assert [answer.query for answer in answers] == TEXTS
    for answer, ranking in zip(answers, expected, strict=True):
        assert [hit.id for hit in answer.hits] == [name for name, _ in ranking[:5]]
        scores = [score for _, score in ranking[:5]]
        np.testing.assert_allclose([hit.score for hit in answer.hits], scores, atol=1e-5)
        assert [hit.rank for hit in answer.hits] == [1, 2, 3, 4, 5]


def test_batches_change_no_answer(searcher):
    """More captions than a batch holds are answered as each alone would be, in their order."""
    texts = [TEXTS[number % len(TEXTS)] for number in range(2 * BATCH + 3)]
    alone = {text: searcher.search([text])[0] for text in TEXTS}
    answers = searcher.search(texts)
    assert [answer.line for answer in answers] == list(range(1, len(texts) + 1))
    for answer, text in zip(answers, texts, strict=True):
        assert [hit.id for hit in answer.hits] == [hit.id for hit in alone[text].hits]


def test_captions_are_taken_as_they_are_needed(searcher):
    """An endless file is answered; no more than one batch is read ahead."""
    numbers = itertools.count(1)
    answers = searcher.answers((Caption(n, "red") for n in numbers), k=1)
    assert [next(answers).line for _ in range(BATCH + 1)] == list(range(1, BATCH + 2))
    assert next(numbers) <= 2 * BATCH + 1


def test_only_known_answers_are_marked(searcher):
    """A text among the examples has a right class; about any other text nothing is claimed."""
    known, unknown = searcher.search(["small white circle", "small white circles"], k=8)
    assert [hit.correct for hit in known.hits] == [h.class_id == "white-circle" for h in known.hits]
    assert {hit.correct for hit in known.hits} == {True, False}
    assert {hit.correct for hit in unknown.hits} == {None}


def test_images_without_a_class_are_not_marked(deployed, searcher, tmp_path):
    """A folder of one's own images: they are neither right nor wrong."""
    entries = [Entry("mine", "0" * 64)]
    bundle = searcher.bundle
    about = {"bundle_sha256": bundle.sha256, "bundle_name": bundle.name}
    index = Index.create(
        tmp_path / "index", entries=entries, vectors=searcher.index.vectors[:1], **about
    )
    [answer] = Searcher(bundle, index).search(["small white circle"])
    assert [(hit.id, hit.correct) for hit in answer.hits] == [("mine", None)]


def test_small_galleries_give_fewer(searcher):
    """All that there is, once each."""
    [answer] = searcher.search(["red"], k=1000)
    assert len({hit.id for hit in answer.hits}) == len(answer.hits) == searcher.index.count == 8


def test_truncated_texts_say_so(searcher):
    """And only they; the answer is the one to what is left of them."""
    [long, short] = searcher.search(["red " * 99, "red " * 14])
    assert (long.note, short.note) == ("truncated to 16 tokens", None)
    assert [hit.id for hit in long.hits] == [hit.id for hit in short.hits]


def test_no_text_no_answer(searcher):
    """An empty batch is one."""
    assert searcher.search([]) == []


def test_index_of_another_bundle_is_refused(deployed, tmp_path):
    """Its vectors live in another space; the sentence names both."""
    other = shutil.copytree(deployed.bundle, tmp_path / "other")
    manifest = read_manifest(other, "bundle")
    write_manifest(other, "bundle", manifest.files, {**manifest.body, "noise_samples": 9})
    theirs = read_manifest(other, "bundle").sha256
    with pytest.raises(MismatchError, match=f"bundle {deployed.bundle.name} .* not with {theirs}"):
        Searcher.open(other, deployed.index)


def test_absent_indexes_name_the_command(deployed, tmp_path):
    """Which makes one."""
    with pytest.raises(ArtefactError, match="no index .*nowhere; make it with 'zscr index add'"):
        Searcher.open(deployed.bundle, tmp_path / "nowhere")


def test_queries_that_are_no_texts_are_refused(tmp_path, searcher):
    """A bundle whose queries are vectors takes no captions."""
    bundle = searcher.bundle
    spec = {"name": "text", "kind": "vector", "shape": ["batch", 8]}
    with staged(tmp_path / "vectors", "bundle") as stage:
        shutil.copy(bundle.folder / "query.onnx", stage.folder)
        stage.body |= {**bundle.manifest.body, "inputs": {"query": [spec]}}
    about = {"bundle_sha256": read_manifest(tmp_path / "vectors", "bundle").sha256}
    Index.create(
        tmp_path / "vectors.index",
        entries=[Entry("a", "0" * 64)],
        vectors=np.eye(1, 16),
        bundle_name="vectors",
        **about,
    )
    with pytest.raises(InputError, match=r"'vectors\.query' takes vector input, not text"):
        Searcher.open(tmp_path / "vectors").search(["red"])
