"""Graphs that keep weights in other files are refused, wherever in the graph they hide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from zscr.errors import ArtefactError
from zscr.infer.runners.graph_file import refuse_external_data
from zscr.infer.runners.onnx import OnnxRunner
from zscr.infer.runners.runner import Runtime


def tensor(place: str | None) -> TensorProto:
    """Return two numbers, in the file itself or in another one."""
    made = helper.make_tensor("w", 1, [2], [1.0, 2.0])
    if place is not None:
        made.ClearField("float_data")
        made.data_location = TensorProto.EXTERNAL
        made.external_data.add(key="location", value=place)
    return made


def value(name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, 1, ["batch", 2])


def saved(graph: onnx.GraphProto, path: Path) -> Path:
    versions = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def as_initializer(weights: TensorProto) -> onnx.GraphProto:
    node = helper.make_node("Add", ["x", "w"], ["y"])
    return helper.make_graph([node], "g", [value("x")], [value("y")], [weights])


def as_constant(weights: TensorProto) -> onnx.GraphProto:
    nodes = [helper.make_node("Constant", [], ["w"], value=weights)]
    nodes.append(helper.make_node("Add", ["x", "w"], ["y"]))
    return helper.make_graph(nodes, "g", [value("x")], [value("y")])


def in_a_branch(weights: TensorProto) -> onnx.GraphProto:
    inner = helper.make_node("Add", ["x", "w"], ["z"])
    branch = helper.make_graph([inner], "b", [], [value("z")], [weights])
    true = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    nodes = [helper.make_node("Constant", [], ["c"], value=true)]
    nodes.append(helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch))
    return helper.make_graph(nodes, "g", [value("x")], [value("y")])


@pytest.mark.parametrize("graph", [as_initializer, as_constant, in_a_branch])
def test_weights_in_other_files_are_refused(
    graph: Callable[[TensorProto], onnx.GraphProto], tmp_path: Path
) -> None:
    """Beside the graph too: no hash vouches for that file."""
    (tmp_path / "weights").write_bytes(bytes(8))
    refuse_external_data(saved(graph(tensor(None)), tmp_path / "own.onnx"))
    path = saved(graph(tensor("weights")), tmp_path / "other.onnx")
    with pytest.raises(ArtefactError, match="keeps weights in other files"):
        OnnxRunner(path, Runtime(threads=1))


def test_what_fails_when_it_runs_is_one_sentence(tmp_path: Path) -> None:
    """An input that the graph lacks, and one of another shape."""
    import numpy as np

    path = saved(as_initializer(tensor(None)), tmp_path / "a.onnx")
    runner = OnnxRunner(path, Runtime(threads=1))
    for feeds in ({"other": np.zeros((1, 2), "f4")}, {"x": np.zeros((1, 3), "f4")}):
        with pytest.raises(ArtefactError, match=r"a\.onnx cannot be run") as refused:
            runner.run(feeds)
        assert "\n" not in str(refused.value)
