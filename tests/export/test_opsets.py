"""Graphs that are written list each operator set once, as onnxruntime's quantiser demands."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from zscr.data.collection import read_collection
from zscr.infer.encoder import load_encoder
from zscr.train.encoders.joined import join_encoders
from zscr.train.encoders.onnx import OPSET
from zscr.train.encoders.resolve import text_encoder


def require_each_once(folder: Path) -> None:
    """Fail where a graph of a folder lists a domain twice, or the default one otherwise."""
    graphs = sorted(folder.glob("*.onnx"))
    assert graphs
    for path in graphs:
        listed = [(entry.domain, entry.version) for entry in onnx.load(path).opset_import]
        assert len(listed) == len(dict(listed)), path
        assert dict(listed)[""] == OPSET, path


@pytest.mark.parametrize("kind", ["deployed", "vector_bundle", "handmade", "paired"])
def test_graphs_of_runs(kind: str, request: pytest.FixtureRequest) -> None:
    """Behind one encoder, behind none, behind several, and one that compares tokens."""
    made = request.getfixturevalue(kind)
    made = made[1] if kind == "paired" else made
    require_each_once(Path(made.bundle if kind == "deployed" else made.folder))


def test_graphs_of_frozen_encoders(
    shapes: Path, tiny_text: Path, tiny_image: Path, tmp_path: Path
) -> None:
    """Published ones, TF-IDF, and two side by side, which are merged in another way."""
    folders = [text_encoder("tfidf", read_collection(shapes)), tiny_text, tiny_image]
    join_encoders([*map(load_encoder, folders[:2])], tmp_path / "joined", "joined")
    for folder in (*folders, tmp_path / "joined"):
        require_each_once(folder)
