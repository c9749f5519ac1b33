"""Tracing: any batch, no trace of this machine, and graphs of others at one opset."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from torch import nn

from zscr.errors import InputError
from zscr.train.encoders.onnx import OPSET, load_graph, max_difference, run_bytes, trace

AXES = {"x": {0: "batch"}}


class Scaled(nn.Module):
    """(B, 3) -> (B, 2), with weights."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.fc = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.fc(x))


class Fixed(Scaled):
    """The same, but the batch is a Python number and so a constant of the trace."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) + torch.zeros(2).expand(len(x), -1)


def save(path: Path, text: str) -> Path:
    onnx.save(onnx.parser.parse_model(text), path)
    return path


def double(path: Path, opset: int, imports: str = "") -> Path:
    return save(
        path,
        f"""<ir_version: 8, opset_import: ["": {opset}{imports}]>
        double (float[batch, 2] x) => (float[batch, 2] y) {{ y = Add (x, x) }}""",
    )


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return trace(Scaled(), {"x": torch.rand(2, 3)}, "y", dynamic=AXES)


def test_a_trace_serves_every_batch(model: onnx.ModelProto) -> None:
    """Traced with two rows, the graph computes what torch does for any number."""
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    for batch in (1, 2, 7):
        rows = torch.rand(batch, 3)
        expected = Scaled()(rows).detach().numpy()
        assert max_difference([run_bytes(model, {"x": rows.numpy()})], [expected]) < 1e-6


def test_a_trace_of_one_batch_size_only_is_no_trace() -> None:
    """The exporter would write such a graph without a word; the first user would meet it."""
    with pytest.raises(AssertionError, match="fixes axis 0 of x at 2"):
        trace(Fixed(), {"x": torch.rand(2, 3)}, "y", dynamic=AXES)


def test_a_graph_names_no_path_and_has_the_same_bytes_again(model: onnx.ModelProto) -> None:
    """No stack trace of the machine that exported it; nothing in it depends on when or where."""
    first = model.SerializeToString()
    again = trace(Scaled(), {"x": torch.rand(2, 3)}, "y", dynamic=AXES)
    assert first == again.SerializeToString()
    assert str(Path(__file__).parent).encode() not in first
    assert b".py" not in first


@pytest.mark.parametrize("opset", [13, 18, 21])
def test_published_graphs_are_brought_to_one_opset(tmp_path: Path, opset: int) -> None:
    """Older and newer graphs are converted, so that they can be merged, and compute the same."""
    model = load_graph(double(tmp_path / "x.onnx", opset, ', "com.microsoft": 1'))
    versions = {entry.domain: entry.version for entry in model.opset_import}
    assert versions[""] == OPSET
    rows = np.array([[1.0, 2.0]], np.float32)
    np.testing.assert_array_equal(run_bytes(model, {"x": rows}), 2 * rows)


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    """Garbage and a missing file are one sentence with the path."""
    (tmp_path / "x.onnx").write_bytes(b"\xff\xfe not onnx")
    for name in ("x.onnx", "absent.onnx"):
        with pytest.raises(InputError, match=f"{name} is not an ONNX graph"):
            load_graph(tmp_path / name)


def test_weights_in_other_files_are_refused(model: onnx.ModelProto, tmp_path: Path) -> None:
    """A graph may name any path for its weights; none is followed."""
    onnx.save(
        copy.deepcopy(model), tmp_path / "x.onnx", save_as_external_data=True, size_threshold=0
    )
    with pytest.raises(InputError, match="keeps weights in other files; save it as one file"):
        load_graph(tmp_path / "x.onnx")
