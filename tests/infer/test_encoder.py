"""Frozen encoders: checked to the byte before anything parses them, and blind to batches."""

from __future__ import annotations

import shutil

import numpy as np
import onnxruntime
import pytest

from zscr.artefact import read_manifest, write_manifest
from zscr.data.records import Query
from zscr.errors import ArtefactError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.runners.runner import Runtime

ONE = Runtime(threads=1)


def flipped(content, place):
    """`content` with the lowest bit of one byte changed; `place` is between 0 and 1."""
    damaged = bytearray(content)
    damaged[int(place * (len(content) - 1))] ^= 1
    return bytes(damaged)


def test_a_tokenizer_that_the_manifest_does_not_list_is_refused(tiny_text, tmp_path):
    """Whether it is there or not: no hash vouches for it."""
    folder = shutil.copytree(tiny_text, tmp_path / "encoder")
    manifest = read_manifest(folder, "encoder")
    shutil.copy(folder / "tokenizer.json", folder / "other.json")
    for name in ("other.json", "nowhere.json"):
        inputs = [spec | {"tokenizer": name} for spec in manifest.body["inputs"]]
        body = {**manifest.body, "inputs": inputs}
        write_manifest(folder, "encoder", manifest.files, body)
        with pytest.raises(ArtefactError, match=f"manifest.json does not list {name}"):
            load_encoder(folder, ONE)


def test_damage_is_found_before_onnxruntime_sees_it(tiny_text, tmp_path, monkeypatch):
    """One flipped byte in the graph, the tokenizer or the manifest is an ArtefactError."""

    def parse(*_args, **_options):
        raise AssertionError("onnxruntime was given a file that had not been checked")

    folder = shutil.copytree(tiny_text, tmp_path / "encoder")
    monkeypatch.setattr(onnxruntime, "InferenceSession", parse)
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["manifest.json", "model.onnx", "tokenizer.json"]
    for name in names:
        sound = (folder / name).read_bytes()
        for place in np.linspace(0, 1, 60):
            (folder / name).write_bytes(flipped(sound, place))
            with pytest.raises(ArtefactError) as refused:
                load_encoder(folder, ONE)
            assert "\n" not in str(refused.value)
        (folder / name).write_bytes(sound)
    with pytest.raises(AssertionError, match="had not been checked"):  # a sound one gets there
        load_encoder(folder, ONE)


def test_batches_change_nothing(tiny_image, tiny_text, images):
    """Neither the size of a batch nor what else is in it, such as longer texts."""
    texts = ["red", "a small red circle on grey ground", "", "black square", "a", "white"]
    for folder, field, values in ((tiny_image, "image", images(6)), (tiny_text, "text", texts)):
        encoder, queries = load_encoder(folder, ONE), Query.of(field, values)
        alone = np.concatenate([encoder.encode([query]) for query in queries])
        assert alone.shape == (6, encoder.dim)
        assert np.ptp(alone, axis=0).max() > 1e-3  # they do differ
        for size in (2, 5, 32):
            np.testing.assert_allclose(encoder.encode(queries, batch_size=size), alone, atol=1e-6)


def test_nothing_is_encoded_to_nothing(tiny_image):
    """No rows of the right width, so that what follows need not ask."""
    encoder = load_encoder(tiny_image, ONE)
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_an_encoder_knows_what_it_takes_and_gives(tiny_image, tiny_text):
    """The fields of a query, and the shape of a row."""
    image, text = load_encoder(tiny_image, ONE), load_encoder(tiny_text, ONE)
    assert (image.fields, text.fields) == ({"image"}, {"text"})
    assert (text.row_shape, text.dim) == ((32,), 32)


def test_outputs_that_are_not_there_are_refused(tiny_image):
    """A manifest that names another output is not followed blindly."""
    encoder = load_encoder(tiny_image, ONE)
    with pytest.raises(ArtefactError, match="has no output 'tokens'; make it again"):
        Encoder(encoder.graph, encoder.specs, output="tokens", name="x", sha256="")


def test_rows_of_any_shape_are_kept(tmp_path):
    """A map of tokens stays one: (B, P, C), also for no queries at all."""
    runner = Tokens()
    spec = {"field": "vector", "kind": "vector", "names": ["v"], "shape": ["batch", 6]}
    encoder = Encoder(
        tmp_path / "x", [spec], output="t", name="x", sha256="", opening=lambda: runner
    )
    rows = Query.of("vector", np.arange(18, dtype=np.float32).reshape(3, 6))
    assert encoder.row_shape == (2, 3)
    np.testing.assert_array_equal(
        encoder.encode(rows, batch_size=2)[2], [[12, 13, 14], [15, 16, 17]]
    )
    assert encoder.encode([]).shape == (0, 2, 3)


class Tokens:
    """A runner that folds each row of six into two tokens of three."""

    outputs = {"t": ("batch", 2, 3)}  # noqa: RUF012
    ran = "a test"

    def run(self, feeds):
        return {"t": feeds["v"].reshape(-1, 2, 3)}
