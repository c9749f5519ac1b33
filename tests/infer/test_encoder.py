"""Frozen encoders: checked to the byte before anything parses them, and blind to batches."""

from __future__ import annotations

import shutil

import numpy as np
import onnxruntime
import pytest

from zscr.errors import ArtefactError, InputError
from zscr.infer.encoder import load_encoder
from zscr.infer.runners.onnx import Runtime

ONE = Runtime(threads=1)


def flipped(content, place):
    """`content` with the lowest bit of one byte changed; `place` is between 0 and 1."""
    damaged = bytearray(content)
    damaged[int(place * (len(content) - 1))] ^= 1
    return bytes(damaged)


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
    for folder, values in ((tiny_image, images(6)), (tiny_text, texts)):
        encoder = load_encoder(folder, ONE)
        alone = np.concatenate([encoder.encode([value]) for value in values])
        assert alone.shape == (6, encoder.dim)
        assert np.ptp(alone, axis=0).max() > 1e-3  # they do differ
        for size in (2, 5, 32):
            np.testing.assert_allclose(encoder.encode(values, batch_size=size), alone, atol=1e-6)


def test_nothing_is_encoded_to_nothing(tiny_image):
    """No rows of the right width, so that what follows need not ask."""
    encoder = load_encoder(tiny_image, ONE)
    assert encoder.encode([]).shape == (0, encoder.dim)


def test_other_inputs_are_refused(tiny_image):
    """By name and kind."""
    encoder = load_encoder(tiny_image, ONE)
    encoder.require("image")
    with pytest.raises(InputError, match="'tiny-image' takes image input, not text"):
        encoder.require("text")
