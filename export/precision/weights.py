"""A graph's constant float matrices, which other precisions hold in fewer bits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

from zscr.export.heads import HEAD

Matrix = npt.NDArray[np.float32]


def float_weights(graph: onnx.GraphProto) -> dict[str, Matrix]:
    """Return its float32 constants by name, without those that an input may replace."""
    given = {value.name for value in graph.input}
    return {
        tensor.name: numpy_helper.to_array(tensor)
        for tensor in graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT and tensor.name not in given
    }


def head_weights(graph: onnx.GraphProto) -> set[str]:
    """Return the constants of a trained head; none where no frozen encoder stands before it."""
    names = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 2}
    head = {name for name in names if name.startswith(HEAD)}
    return head if head < names else set()


def replace_nodes(graph: onnx.GraphProto, nodes: Iterable[onnx.NodeProto]) -> None:
    """Give a graph other nodes, and drop the constants that none of them takes any more."""
    made = [*nodes]
    del graph.node[:]
    graph.node.extend(made)
    del graph.value_info[:]
    used = {value.name for value in graph.output} | {*_taken(graph)}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _taken(graph: onnx.GraphProto) -> Iterator[str]:
    """Yield what nodes take, those in branches and loops too."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _taken(inner)


def attribute_of(node: onnx.NodeProto, name: str, default: float) -> float:
    """Return a number among a node's attributes, or what it is where it is not written."""
    values = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    return float(values.get(name, default))
