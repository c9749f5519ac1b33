"""One copy of the weights, all of it, and nothing that is not asked for."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from zscr.errors import ArtefactError, ConfigError
from zscr.train.hub.choice import choose
from zscr.train.hub.listing import HubFile, Listing

SHARDS = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
INDEX = "model.safetensors.index.json"


def chosen(names: Sequence[str], *weights: str, index: object = None) -> set[str]:
    """Return the names of what is chosen from a listing, whose indexes all read `index`."""
    files = {name: HubFile(name, 1, None, "0" * 40) for name in names}
    raw = json.dumps(index).encode()
    found = choose(Listing("some/model", "0" * 40, None, files), (), weights, lambda file: raw)
    return {file.name for file in found}


@pytest.mark.parametrize(
    ("names", "weights", "expected"),
    [
        ("model.safetensors model.fp16.safetensors", "*.safetensors *.bin", "model.safetensors"),
        ("model.safetensors pytorch_model.bin", "*.safetensors *.bin", "model.safetensors"),
        ("pytorch_model.bin training_args.bin", "*.safetensors *.bin", "pytorch_model.bin"),
        ("open_clip_model.safetensors", "*.safetensors", "open_clip_model.safetensors"),
        (
            "model.safetensors 2_Dense/model.safetensors unet/model.safetensors",
            "*.safetensors",
            "model.safetensors 2_Dense/model.safetensors",
        ),
        ("onnx/model.onnx onnx/model_int8.onnx", "model.onnx onnx/model.onnx", "onnx/model.onnx"),
        ("onnx/model.onnx model.safetensors", "*.safetensors", "model.safetensors"),
        ("model.onnx model_int8.onnx", "*.onnx", "model.onnx"),
        (f"model.safetensors {INDEX} {' '.join(SHARDS)}", "*.safetensors", "model.safetensors"),
    ],
)
def test_one_copy_is_chosen(names: str, weights: str, expected: str) -> None:
    """The first form that there is, whole, at the top or in a stage."""
    assert chosen(names.split(), *weights.split()) == {*expected.split()}


def test_all_that_an_index_names_is_chosen() -> None:
    """And nothing else of that form."""
    index = {"weight_map": {"a": SHARDS[0], "b": SHARDS[1], "c": SHARDS[0]}}
    names = [INDEX, *SHARDS, "other-00001-of-00001.safetensors"]
    assert chosen(names, "*.safetensors", index=index) == {*SHARDS}
    nested = [f"0_Transformer/{name}" for name in names]
    found = chosen(nested, "*.safetensors", index=index)
    assert found == {f"0_Transformer/{name}" for name in SHARDS}


@pytest.mark.parametrize(
    "index",
    [None, [], {}, {"weight_map": []}, {"weight_map": {"a": "b.safetensors"}}],
)
def test_an_index_that_names_what_is_not_there_is_refused(index: object) -> None:
    """A shard that is missing, or an index that is none."""
    with pytest.raises(ArtefactError, match="b.safetensors', which is not in|is no index"):
        chosen([INDEX, *SHARDS], "*.safetensors", index=index)


def test_weights_of_other_forms_are_named() -> None:
    """A repository of pickles alone, for who did not ask for them."""
    with pytest.raises(ConfigError, match=r"no weights like \*.safetensors, but only a.bin, b.h5;"):
        chosen(["a.bin", "b.h5", "config.json"], "*.safetensors")
