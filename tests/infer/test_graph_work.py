"""What ONNX files hold, beside the library onnx; and the work of graphs whose work is known."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

from zscr.infer.runners.graph_content import read_graph
from zscr.infer.runners.graph_work import Step, work_of

TOKENS, WORDS, WIDTH, OUT = 9, 100, 7, 5
GRAPH = f"""<ir_version: 8, opset_import: ["" : 17]>
looks (int64[batch, tokens] ids, float[batch, 3, 8, 8] pixels)
    => (float[batch, tokens, {OUT}] rows, float[batch, 4, 3, 3] maps) {{
    words = Gather (table, ids)
    moved = MatMul (words, matrix)
    scale = Constant <value = float[1] {{2.0}}> ()
    rows = Mul (moved, scale)
    maps = Conv <kernel_shape = [3, 3], strides = [2, 2]> (pixels, kernel)
}}"""
SHAPES = {"table": (WORDS, WIDTH), "matrix": (WIDTH, OUT), "kernel": (4, 3, 3, 3)}


def saved(folder: Path, dtype: Any = np.float32) -> Path:
    model = onnx.parser.parse_model(GRAPH)
    rng = np.random.default_rng(7)
    for name, shape in SHAPES.items():
        array = rng.standard_normal(shape).astype(dtype)
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    onnx.save(model, folder / "graph.onnx")
    return folder / "graph.onnx"


def test_the_work_of_a_known_graph(tmp_path: Path) -> None:
    """Products by hand; every weight once, of the table the rows of nine tokens alone."""
    feeds = {
        "ids": np.arange(TOKENS, dtype=np.int64)[None],
        "pixels": np.zeros((1, 3, 8, 8), np.float32),
    }
    work = work_of(saved(tmp_path), feeds)
    assert work.macs == TOKENS * WIDTH * OUT + (4 * 3 * 3) * (3 * 3 * 3)
    assert work.weight_bytes == 4 * (WIDTH * OUT + 4 * 3 * 3 * 3 + 1 + TOKENS * WIDTH)
    assert work.uncounted == ()


@pytest.mark.parametrize(
    ("step", "macs"),
    [
        (Step("MatMul", ((2, 3, 4), (4, 5)), ((2, 3, 5),)), 120),
        (Step("Gemm", ((4, 3), (4, 5), (5,)), ((3, 5),)), 60),  # of a transposed first matrix
        (Step("Conv", ((1, 8, 6, 6), (8, 1, 3, 3)), ((1, 8, 6, 6),)), 8 * 36 * 9),  # a group each
        (Step("ConvTranspose", ((1, 2, 3, 3), (2, 4, 2, 2)), ((1, 4, 6, 6),)), 18 * 16),
        (Step("Add", ((2, 3), (2, 3)), ((2, 3),)), 0),
    ],
)
def test_multiplications_by_hand(step: Step, macs: int) -> None:
    assert step.macs == macs


def test_a_file_is_read_as_onnx_reads_it(tmp_path: Path) -> None:
    """Names, types, shapes, operators and weights, of subgraphs and in half precision, too."""
    inner = helper.make_graph(
        [helper.make_node("Mul", ["x", "inside"], ["z"])],
        "inner",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT16, ["n", 2])],
        [numpy_helper.from_array(np.ones((3, 2), np.float16), "inside")],
    )
    nodes = [
        helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner),
        helper.make_node("Gelu", ["y"], ["g"], domain="com.microsoft"),
    ]
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT16, ["n", 2]) for n in "xg")
    true = helper.make_tensor("c", TensorProto.BOOL, [], [True])
    graph = helper.make_graph(nodes, "g", [x], [y], [true])
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=versions, producer_name="by hand")
    onnx.save(model, tmp_path / "g.onnx")
    found = read_graph(tmp_path / "g.onnx")
    assert found.producer == "by hand"
    assert found.opsets == {"ai.onnx": 17, "com.microsoft": 1}
    assert [(one.name, one.dtype, one.shape) for one in found.inputs] == [
        ("x", "float16", ("n", 2))
    ]
    assert [one.name for one in found.outputs] == ["g"]
    assert found.operators == Counter({"Mul": 2, "If": 1, "com.microsoft.Gelu": 1})
    weights = {w.name: (w.shape, w.bytes) for w in found.weights.values()}
    assert weights == {"c": ((), 1), "inside": ((3, 2), 12)}


def test_parameters_are_those_of_onnx(tmp_path: Path) -> None:
    """Of a graph with initializers and a constant, in numbers of any width."""
    path = saved(tmp_path, np.float64)
    stored = sum(math.prod(one.dims) for one in onnx.load(path).graph.initializer)
    assert read_graph(path).parameters == stored + 1


@pytest.mark.parametrize("content", [b"", b"no graph at all", b"\x08\x08"])
def test_what_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    """Empty, another file, a message without a graph; and every beginning of a sound one."""
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ValueError):
        read_graph(path)
