"""Graphs that are written without the package onnx are those that it writes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zscr.infer.index.on_device.graphs import by_full, by_half
from zscr.infer.runners.written_graph import FLOAT, FLOAT16, node, write_graph


def test_it_is_the_file_that_onnx_writes():
    """Every field, numbers of several bytes and negative ones; read by onnx it is the same."""
    long = "y" * 300
    written = write_graph(
        [node("Gemm", "x w", long, transB=1), node("TopK", f"{long} k", "best where", axis=-1)],
        {"x": (FLOAT, "BD"), "w": (FLOAT, "ND")},
        {"best": (FLOAT16, ["B", "some"])},
        {"k": [1 << 40, -2]},
    )
    nodes = [
        helper.make_node("Gemm", ["x", "w"], [long], f"Gemm {long}", transB=1),
        helper.make_node("TopK", [long, "k"], ["best", "where"], "TopK best", axis=-1),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [*shape])
        for name, shape in (("x", "BD"), ("w", "ND"))
    ]
    output = helper.make_tensor_value_info("best", TensorProto.FLOAT16, ["B", "some"])
    constants = [numpy_helper.from_array(np.array([1 << 40, -2]), "k")]
    graph = helper.make_graph(nodes, "graph", inputs, [output], constants)
    wanted = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert onnx.load_from_string(written) == wanted


@pytest.mark.parametrize("graph", [by_half, by_full])
def test_the_graphs_that_search_are_sound(graph):
    """By onnx's own checker, types and shapes included."""
    model = onnx.load_from_string(graph())
    onnx.checker.check_model(model, full_check=True)
