"""A batch run by IO binding gives what the session gives, whatever its size."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from zscr.infer.runners.bound import MOST_ROWS, MOST_SHAPES, BoundGraph
from zscr.infer.runners.cuda import strangers_of
from zscr.infer.runners.cuda_device import IN_USE

RNG = np.random.default_rng(7)


def session(nodes, batch="batch", kind=TensorProto.FLOAT):
    """Open a graph of x (batch, 3) and y (more, 3) on the CPU, with where its nodes run."""
    inputs = [
        helper.make_tensor_value_info("x", kind, [batch, 3]),
        helper.make_tensor_value_info("y", kind, ["more", 3]),
    ]
    used = {name for node in nodes for name in node.input}
    out = helper.make_tensor_value_info("z", kind, None)
    inputs = [one for one in inputs if one.name in used]
    graph = helper.make_graph(nodes, "g", inputs, [out])
    opset = [helper.make_opsetid("", 18)]
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    model = helper.make_model(graph, opset_imports=opset, ir_version=10)
    return onnxruntime.InferenceSession(
        model.SerializeToString(), options, ["CPUExecutionProvider"]
    )


def bound(*nodes, **given):
    return BoundGraph(onnxruntime, session(nodes, **given), "cpu", recorded=True)


SUM = helper.make_node("Add", ["x", "x"], ["z"])
GRAPH = bound(SUM)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 2 * MOST_ROWS + 3), min_size=1, max_size=4))
def test_a_batch_of_any_size_gives_its_own_rows(sizes):
    """Filled up, in parts, at the first call, the second and later ones: no row is another's."""
    for rows in [size for size in sizes for _ in range(3)]:
        x = RNG.standard_normal((rows, 3), np.float32)
        np.testing.assert_array_equal(GRAPH.run({"x": x})[0], x + x)


def test_rows_given_once_stay_what_they_are():
    """The buffers are used again; an answer is not."""
    graph = bound(SUM)
    batches = RNG.standard_normal((5, 4, 3), np.float32)
    found = [graph.run({"x": batch})[0] for batch in batches]
    np.testing.assert_array_equal(found, 2 * batches)


def test_more_shapes_than_are_kept_are_answered():
    """What a user sends in decides how many shapes there are, not how much memory is held."""
    product = bound(helper.make_node("Gemm", ["x", "y"], ["z"], transB=1))
    for count in range(4, MOST_SHAPES + 12):
        x, y = np.ones((count, 3), np.float32), np.ones((3, 3), np.float32)
        assert product.run({"x": x, "y": y})[0].shape == (count, 3)
    assert len(product._kept) == MOST_SHAPES


@pytest.mark.parametrize("rows", [(1, 5), (7, 1)])
def test_inputs_of_different_lengths_are_not_filled_up(rows):
    """A query beside many images: neither may get more rows."""
    graph = bound(helper.make_node("Add", ["x", "y"], ["z"]))
    x, y = (RNG.standard_normal((count, 3), np.float32) for count in rows)
    for _ in range(3):
        np.testing.assert_array_equal(graph.run({"x": x, "y": y})[0], x + y)


def test_graphs_on_cuda_wait_for_one_another():
    """Work on another thread would spoil what one records."""
    nothing = SimpleNamespace(get_inputs=list)
    assert BoundGraph(None, nothing, "cuda", recorded=True)._lock is IN_USE
    assert BoundGraph(None, nothing, "cpu", recorded=True)._lock is not IN_USE


def test_a_fixed_batch_is_run_as_it_is():
    """A graph of three rows takes no fourth."""
    x = RNG.standard_normal((3, 3), np.float32)
    np.testing.assert_array_equal(bound(SUM, batch=3).run({"x": x})[0], x + x)


def test_nodes_that_only_compute_sizes_may_run_on_the_cpu():
    """Others are named, with their operators."""
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], name="size"),
        helper.make_node("ArgMax", ["x"], ["best"], name="best of all", axis=1),
        helper.make_node("Add", ["s", "best"], ["z"], name="sum"),
    ]
    assert strangers_of(session(nodes, kind=TensorProto.INT64)) == ["best of all (ArgMax)"]
