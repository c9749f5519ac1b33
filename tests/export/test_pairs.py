"""The graph that re-ranks: kept where it helps, proven, and fed as the manifest says."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from zscr.artefact import hash_file, read_manifest, write_manifest
from zscr.data.collection import read_collection
from zscr.data.records import Query
from zscr.errors import ArtefactError, ConfigError, InputError, ParityError
from zscr.export.bundle import export_run
from zscr.export.heads import DeployedHead, build_graph
from zscr.export.pairs import prove_pair
from zscr.infer.bundle import Bundle
from zscr.infer.pair import Pair, encode_tokens
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime
from zscr.train.encoders.onnx import trace
from zscr.train.methods.contract import Head, Port
from zscr.train.pairs import check_pair
from zscr.train.run import Run


def test_it_is_kept_where_it_helps_on_validation_classes(paired: tuple[Run, Bundle]) -> None:
    """Each sketch is far from its images by cosine, and near to them by its tokens."""
    told = paired[1].manifest.body["reranking"]
    assert (told["kept"], told["mAP"], told["split"], told["task"]) == (True, 1, "val", "sketch")
    assert told["without"] < 0.4
    assert told["gain"] == pytest.approx(1 - told["without"])
    assert 0 < told["interval"][0] <= told["gain"]
    assert (told["ahead"], told["groups"], told["queries"], told["gallery"]) == (3, 3, 12, 12)


def test_it_is_left_out_where_it_harms(
    pair_run: Callable[..., Run], paired: tuple[Run, Bundle], tmp_path: Path, capsys
) -> None:
    """By the same tokens with the other sign; the gallery then is one without tokens, and tells."""
    made = export_run(pair_run(scale=-20.0), tmp_path / "bundle")
    assert "relation: top" in (said := capsys.readouterr().err)
    assert "it is left out" in said
    assert {name: entry.get("tokens") for name, entry in made.graphs.items()} == {
        "sketch": None,
        "gallery": None,
    }
    assert not (made.folder / "relation.onnx").exists()
    assert made.space != paired[1].space
    with pytest.raises(InputError, match=r"no graph that re-ranks: .* changed mAP by [-+]0\.\d+;"):
        Pair(made)
    lacking = changed(made.folder, tmp_path / "untried", untried)
    with pytest.raises(
        InputError, match="no graph that re-ranks: shapes has no .*; leave --rerank"
    ):
        Pair(Bundle.open(lacking))


def untried(body: dict[str, Any]) -> None:
    """Write what an export does where no validation classes could tell."""
    body["reranking"] |= {"gain": 0.0, "why": "shapes has no validation queries of sketch"}


def test_the_graph_is_fed_with_the_tokens_of_two_others(paired: tuple[Run, Bundle]) -> None:
    """Their names and the proofs stand in the manifest; a query of no fields goes there."""
    bundle = paired[1]
    graph = bundle.graphs["relation"]
    assert graph["inputs"] == [
        {"graph": "sketch", "names": ["sketch_tokens"]},
        {"graph": "gallery", "names": ["gallery_tokens"]},
    ]
    for name in ("sketch", "gallery"):
        entry = bundle.graphs[name]
        assert entry["tokens"] == f"{name}_tokens"
        parity = entry["variants"]["fp32"]["tokens_parity"]
        assert (parity["max_abs"] < 1e-5, parity["min_cosine"] > 0.99999) == (True, True)
    parity = graph["variants"]["fp32"]["parity"]
    assert parity["batch_sizes"] == [1, 2, 5]
    assert parity["samples"] == 8 * 12  # queries by images
    assert 0 <= parity["max_abs"] < 1e-5 * parity["rms"]
    assert frozenset() not in bundle.takes


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_logits_equal_the_sum_of_cosines(
    paired: tuple[Run, Bundle], dyed: Path, batch: int
) -> None:
    """By numpy, from tokens that numpy makes of what the frozen encoder gives."""
    bundle, items = paired[1], read_collection(dyed).split("unseen")[: batch + 1]
    pair = Pair(bundle)
    sketches = Query.of("sketch", [dyed / str(item.sketch) for item in items])
    images = Query.of("image", [dyed / str(item.image) for item in items[:batch]])
    rows, found = pair.query.encode(sketches), encode_tokens(pair.gallery, images)
    embeddings, asked = pair.split(rows)
    np.testing.assert_allclose(embeddings, bundle.graph("sketch").encode(sketches), atol=1e-6)
    np.testing.assert_array_equal(asked, encode_tokens(pair.asked, sketches))
    halves = np.asarray(asked[-1], np.float64), np.asarray(found, np.float64)
    expected = 20 * (halves[0] * halves[1]).sum((1, 2))
    np.testing.assert_allclose(pair.logits(asked[-1], found), expected, atol=1e-4)


class Sum(torch.nn.Module):
    """A pair with a fault of that size."""

    def __init__(self, fault: float = 0.0) -> None:
        super().__init__()
        self.fault = fault

    def forward(self, asked: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        return (asked * found).sum((1, 2)) * (1 + self.fault)


@pytest.mark.parametrize(("fault", "said"), [(0.0, None), (3e-3, "0.009"), (np.nan, "nan")])
def test_a_graph_that_differs_is_not_proven(tmp_path: Path, fault: float, said: str) -> None:
    """By three thousandths, or by no number at all."""
    rows = torch.nn.functional.normalize(torch.rand(6, 3, 4, generator=torch.manual_seed(1)), dim=2)
    names = {"asked": rows[:1], "found": rows}
    onnx.save(trace(Sum(fault), names, "r_logit", dynamic={"found": {0: "n"}}), tmp_path / "r.onnx")
    given = "r", Head(Sum(), (), "pair"), OnnxRunner(tmp_path / "r.onnx", Runtime())
    tokens = {name: value.numpy() for name, value in names.items()}
    if said is None:
        assert prove_pair(*given, tokens).max_abs < 1e-6
        return
    with pytest.raises(ParityError, match=f"r.onnx differs .* by {said} .*nothing was exp"):
        prove_pair(*given, tokens)


def test_sabotaged_tokens_are_never_published(pair_run: Callable[..., Run], tmp_path: Path) -> None:
    """The further output is proven as the embedding is."""

    def sabotaged(one: DeployedHead) -> onnx.ModelProto:
        model = build_graph(one)
        if one.name == "gallery":
            [maker] = [node for node in model.graph.node if "gallery_tokens" in node.output]
            maker.output[0] = "sound"
            model.graph.node.append(onnx.helper.make_node("Neg", ["sound"], ["gallery_tokens"]))
        return model

    with pytest.raises(ParityError, match=r"tokens of gallery\.onnx differs"):
        export_run(pair_run(features=True), tmp_path / "bundles/b", build=sabotaged)
    assert not (tmp_path / "bundles/b").exists()


TOKENS = torch.nn.Identity()
ASKS = Head(TOKENS, (Port("sketch"),), "query", tokens=TOKENS)
HOLDS = Head(TOKENS, (Port("image"),), "gallery", tokens=TOKENS)


@pytest.mark.parametrize(
    ("ports", "changed", "said"),
    [
        (("sketch",), {}, "'r' takes sketch; let its ports be a query head and 'gallery'"),
        (("gallery", "sketch"), {}, "takes gallery and sketch; let its ports"),
        (("image", "gallery"), {}, "takes image and gallery; let its ports"),
        (
            ("sketch", "gallery"),
            {"gallery": Head(TOKENS, (), "gallery")},
            "'gallery' does not give",
        ),
        (
            ("sketch", "gallery"),
            {"s": Head(TOKENS, (), "pair")},
            "r and s are both pairs; keep one",
        ),
    ],
)
def test_a_pair_that_cannot_be_fed_is_refused(
    ports: tuple[str, ...], changed: dict[str, Head], said: str
) -> None:
    """Before the first round of training."""
    pair = Head(TOKENS, tuple(map(Port, ports)), "pair")
    with pytest.raises(ConfigError, match=said):
        check_pair({"sketch": ASKS, "gallery": HOLDS, "r": pair} | changed)


def changed(bundle: Path, to: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Copy a bundle with another manifest, whose checksum is right."""
    shutil.copytree(bundle, to)
    manifest = read_manifest(to, "bundle")
    body = json.loads(json.dumps(manifest.body))
    change(body)
    write_manifest(to, "bundle", manifest.files, body)
    return to


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda body: body["graphs"]["relation"]["inputs"][0].update(graph="x"), "does not take"),
        (lambda body: body["graphs"]["sketch"].pop("tokens"), "does not take the tokens"),
        (lambda body: body["graphs"]["relation"]["inputs"].reverse(), "does not take the tokens"),
        (lambda body: body["graphs"]["relation"].update(inputs=[]), "inputs is a list of 0, not"),
        (lambda body: body["reranking"].update(mix=2), "reranking.mix is 2, not a number from 0"),
        (lambda body: body["reranking"].update(top=0), "reranking.top is 0, not an integer"),
    ],
)
def test_a_bundle_whose_pair_cannot_be_fed_is_refused(
    paired: tuple[Run, Bundle], tmp_path: Path, change: Callable[..., object], said: str
) -> None:
    """In one sentence, when it is opened."""
    with pytest.raises(ArtefactError, match=said):
        Bundle.open(changed(paired[1].folder, tmp_path / "bundle", change))


def test_a_bundle_without_a_word_of_it_is_still_read(
    paired: tuple[Run, Bundle], tmp_path: Path
) -> None:
    """As all are that were made before; one that has the graph alone re-ranks where it is asked."""

    def silent(body: dict[str, Any]) -> None:
        del body["reranking"]

    made = Bundle.open(changed(paired[1].folder, tmp_path / "bundle", silent))
    assert Pair(made).name == "relation"
    assert hash_file(made.folder / "relation.onnx") == hash_file(paired[1].folder / "relation.onnx")
