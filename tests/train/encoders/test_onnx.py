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

from zscr.errors import InputError, MismatchError, ParityError
from zscr.train.encoders.onnx import (
    OPSET,
    load_graph,
    merge,
    prune,
    rename,
    require_parity,
    run_bytes,
    trace,
)

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
        found = run_bytes(model, {"x": rows.numpy()})
        np.testing.assert_allclose(found, expected, atol=1e-6)


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


def halved(opset: int = OPSET) -> onnx.ModelProto:
    return onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["": {opset}]>
        half (float[batch, 2] y) => (float[batch, 2] z)
        <float[1] two = {{2}}> {{ z = Div (y, two) }}""")


def test_merged_graphs_compute_one_after_the_other(tmp_path: Path) -> None:
    """Renamed so that they meet: double, then half, is what went in."""
    first = load_graph(double(tmp_path / "x.onnx", OPSET))
    rename(first, {"x": "rows", "y": "doubled"})
    merged = merge(first, halved(), {"doubled": "y"})
    assert [value.name for value in merged.graph.input] == ["rows"]
    assert [value.name for value in merged.graph.output] == ["z"]
    rows = np.array([[1.0, 2.0], [3.0, -4.0]], np.float32)
    np.testing.assert_array_equal(run_bytes(merged, {"rows": rows}), rows)


def test_graphs_of_two_opsets_are_not_merged(tmp_path: Path) -> None:
    """An operator may mean something else in another version; onnx would take the higher one."""
    first = onnx.load(double(tmp_path / "x.onnx", OPSET - 1))
    with pytest.raises(MismatchError, match="opset 17 and 18 cannot be merged; convert"):
        merge(first, halved(), {"y": "y"})
    # A further set of operators is no other version of ONNX's own.
    first = load_graph(double(tmp_path / "x.onnx", OPSET, ', "com.microsoft": 1'))
    assert merge(first, halved(), {"y": "y"}).graph.output[0].name == "z"


def test_pruning_drops_what_no_output_needs() -> None:
    """Nodes in a row that lead nowhere, and their constants; the rest computes the same."""
    model = onnx.parser.parse_model("""<ir_version: 10, opset_import: ["": 18]>
        wide (float[batch, 2] x) => (float[batch, 2] y)
        <float[1] two = {2}, float[1] three = {3}, float[1] four = {4}> {
            lost = Mul (x, three)
            y = Mul (x, two)
            gone = Add (lost, four) }""")
    prune(model)
    assert [node.output[0] for node in model.graph.node] == ["y"]
    assert [tensor.name for tensor in model.graph.initializer] == ["two"]
    rows = np.array([[1.0, 2.0]], np.float32)
    np.testing.assert_array_equal(run_bytes(model, {"x": rows}), 2 * rows)


@pytest.mark.parametrize("wrong", [0.1, np.nan])
def test_a_graph_that_is_not_torchs_is_refused(wrong: float) -> None:
    """The sentence says whose graph it is and by how much; what does not count may differ."""
    rows = np.array([[2.0, 4.0], [6.0, 8.0]], np.float32)
    expected = rows / 2
    assert require_parity("half", halved(), {"y": rows}, expected, 1e-6) == 0
    expected[1, 1] += wrong
    with pytest.raises(ParityError, match=f"^half: onnxruntime differs from torch by {wrong:.2g}"):
        require_parity("half", halved(), {"y": rows}, expected, 0.05)
    assert require_parity("half", halved(), {"y": rows}, expected, 0.05, kept=[0]) == 0


def test_the_largest_of_whole_numbers_is_sought_among_floats():
    """CUDA compares no others; the place is the same, the first of equal ones."""

    class Ends(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x == 9).int().argmax(1) + x.argmax(1)

    rows = torch.tensor([[1, 9, 9, 2], [9, 1, 1, 1], [1, 2, 3, 3]])
    model = trace(Ends(), {"x": rows}, "y", dynamic=AXES)
    casts = {
        node.output[0]: node.attribute[0].i for node in model.graph.node if node.op_type == "Cast"
    }
    sought = [node.input[0] for node in model.graph.node if node.op_type == "ArgMax"]
    assert [casts[name] for name in sought] == [onnx.TensorProto.FLOAT] * 2
    assert run_bytes(model, {"x": rows.numpy()}).tolist() == Ends()(rows).tolist()
