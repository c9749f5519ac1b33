"""The first layer's gathered rows give what its product with the wide row gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from zscr.data.records import Query
from zscr.export.deploy import deploy
from zscr.export.heads import DeployedHead, build_graph
from zscr.export.tensorrt.builder import build_engine
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.runners.runner import Runtime
from zscr.infer.searcher import Searcher
from zscr.train.encoders.onnx import run_bytes
from zscr.train.encoders.tfidf import TfidfConfig, fit_tfidf
from zscr.train.fit import Request, fit
from zscr.train.methods import contract

QUICK = {"gf_dim": 8, "df_dim": 8, "embed_dim": 6, "z_dim": 2, "batch_size": 4}
QUICK |= {"e_steps": 2, "critic_steps": 2, "rounds": 1, "validate_every": 1}
METHODS = {"zscrgan": QUICK, "zscrgan-reference": QUICK | {"m_steps": 2}}
TEXTS = ["red red bird zebra", "the sea", "", "a big blue bird by the sea"]


class Head(nn.Module):
    """A linear layer, with or without what may stand around it."""

    def __init__(self, dim: int, rows: Callable[[Head, torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.linear, self.rows = nn.Linear(dim, 5), rows
        self.register_buffer("mean", torch.rand(dim))
        self.register_buffer("scale", torch.rand(dim) + 0.5)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return nn.functional.normalize(self.rows(self, features), dim=1)


def standardised(head: Head, features: torch.Tensor) -> torch.Tensor:
    return head.linear((features - head.mean) / head.scale * 2 + head.mean)


HEADS = {
    "plain": lambda head, features: head.linear(features),
    "standardised": standardised,
    "no bias": lambda head, features: (features - head.mean) @ head.linear.weight.T,
    "not linear": lambda head, features: head.linear(torch.relu(features - head.mean)),
    "squared": lambda head, features: head.linear(features * features),
    "used twice": lambda head, features: head.linear(features) + features[:, :5],
}


@pytest.fixture(scope="module", params=[False, True], ids=["words", "pairs"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp("tfidf") / "encoder"
    texts = ["a small red bird", "the big blue bird", "a house by the sea"]
    fit_tfidf(texts, folder, "test", TfidfConfig(min_texts=1, pairs=request.param))
    return load_encoder(folder, Runtime(threads=1))


def build(encoder: Encoder, kind: str) -> tuple[Head, onnx.ModelProto]:
    head = Head(encoder.dim, HEADS[kind])
    port = contract.Head(head, (contract.Port("text"),), "query")
    return head, build_graph(DeployedHead("text", port, (encoder,), ((encoder.dim,),)))


@pytest.mark.parametrize("kind", HEADS)
def test_graphs_equal_the_product_with_wide_rows(
    encoder: Encoder, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """To 1e-6 in any batch; a wide row is made only where the head needs one, which is said."""
    head, model = build(encoder, kind)
    for batch in ([text] for text in TEXTS), [TEXTS]:
        for texts in batch:
            feeds = encoder.prepare(Query.of("text", texts)).feeds
            with torch.no_grad():
                expected = head(torch.from_numpy(encoder.run(feeds))).numpy()
            np.testing.assert_allclose(run_bytes(model, feeds), expected, atol=1e-6)
    dense = kind in ("not linear", "squared", "used twice")
    assert ("ScatterElements" in {node.op_type for node in model.graph.node}) == dense
    assert ("stays dense" in capsys.readouterr().err) == dense


def test_other_graphs_are_left_alone(deployed) -> None:
    """A sentence encoder's text graph has no gathered layer."""
    model = onnx.load(deployed.bundle / "text.onnx")
    assert not any(tensor.name.startswith("sparse/") for tensor in model.graph.initializer)


@pytest.mark.engines
def test_tensorrt_compiles_the_gathered_graph(encoder: Encoder, tmp_path: Path) -> None:
    """Ids, counts and gathered rows are all known to TensorRT; nothing is run."""
    pytest.importorskip("tensorrt_rtx")
    onnx.save(build(encoder, "plain")[1], tmp_path / "text.onnx")
    info = build_engine(tmp_path / "text.onnx", tmp_path / "text.engine")
    assert [tensor.name for tensor in info.inputs] == ["input_ids", "attention_mask"]
    assert (tmp_path / "text.engine").stat().st_size > 0


@pytest.fixture(scope="module", params=zip(METHODS, ("tfidf-pairs", "tfidf"), strict=True), ids=str)
def searcher(
    request: pytest.FixtureRequest,
    shapes: Path,
    tiny_image: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Searcher]:
    """Train each method on TF-IDF, export and index, all by name."""
    folder = tmp_path_factory.mktemp("tfidf")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZSCR_CACHE", str(folder / "cache"))
        patch.chdir(folder)
        method, text = request.param
        encoders = (str(tiny_image), text)
        asked = Request(method, shapes, None, METHODS[method], *encoders, "cpu")
        made = deploy(fit(asked).folder)
        yield Searcher.open(made.bundle.folder, runtime=Runtime(threads=1))


def test_a_bundle_answers_by_words(searcher: Searcher) -> None:
    """No wide row is left in the graph, and a word that the training never saw is told."""
    model = onnx.load(searcher.bundle.folder / "text.onnx")
    assert "ScatterElements" not in {node.op_type for node in model.graph.node}
    assert {value.name for value in model.graph.input} == {"input_ids", "attention_mask"}
    red, strange = searcher.search(["small red square", "small mauve square"], k=3)
    assert (len(red.hits), red.notes) == (3, ())
    assert strange.notes == ("1 unknown: mauve",)


def test_a_caption_of_unknown_words_is_refused(searcher: Searcher) -> None:
    """Every such caption would have the same answer; line and words are named, others answered."""
    red, zebra, marks = searcher.search(["red", "mauve zebra", "!!"])
    assert red.hits
    assert zebra.error.startswith("query 2 has no word that")
    assert "knows (mauve, zebra);" in zebra.error
    assert "knows;" in marks.error
    assert (zebra.hits, marks.hits) == ((), ())
