"""One graph a precision serves TensorRT, too: engines are built of it with no GPU."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from zscr.errors import ArtefactError
from zscr.export.precision.rungs import RUNGS
from zscr.export.tensorrt.builder import build_engine


@pytest.mark.engines
@pytest.mark.parametrize("rung", ["fp16", "bf16", "int8", "int4"])
def test_an_engine_is_built_of_the_same_file(rung: str, words, tmp_path: Path) -> None:
    """Strongly typed: its inputs and outputs are the graph's, whatever is in between."""
    pytest.importorskip("tensorrt_rtx", reason="needs the extra 'trt-rtx'")
    onnx.save(RUNGS[rung].make(words), tmp_path / "graph.onnx")
    made = build_engine(tmp_path / "graph.onnx", tmp_path / "graph.engine", targets=["sm86"])
    assert [(one.name, one.dtype) for one in made.inputs] == [("ids", "int64")]
    assert [(one.name, one.dtype) for one in made.outputs] == [("embedding", "float32")]


@pytest.mark.engines
def test_tensorrt_has_no_dynamic_quantisation(words, tmp_path: Path) -> None:
    """So that this rung is for onnxruntime alone, as the documents say."""
    pytest.importorskip("tensorrt_rtx", reason="needs the extra 'trt-rtx'")
    onnx.save(RUNGS["int8-dynamic"].make(words), tmp_path / "graph.onnx")
    with pytest.raises(ArtefactError, match="TensorRT cannot parse"):
        build_engine(tmp_path / "graph.onnx", tmp_path / "graph.engine", targets=["sm86"])
