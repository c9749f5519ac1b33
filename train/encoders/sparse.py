"""Spares a query graph the wide row that TF-IDF makes of a few words.

The first layer's product with a row of thousands of columns, all but some ten of them zero, is the
weighted sum of those columns' weights: they are gathered instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from zscr.progress import say
from zscr.train.encoders.onnx import prune
from zscr.train.encoders.tfidf import SPECIAL, WEIGHTS

Array = npt.NDArray[np.float64]
_AFFINE: dict[str, Callable[[Array, Array], Array]] = {
    "Add": np.add,
    "Sub": np.subtract,
    "Mul": np.multiply,
    "Div": np.divide,
}


def gather_first_layer(model: onnx.ModelProto, features: str) -> None:
    """Rewrite, in place, what a head does first with TF-IDF `features` as a weighted sum of rows.

    The head must begin with a product with a constant matrix, before which constants may be added
    or multiplied (such as a standardisation). Any other head keeps the wide row, which is said;
    any other encoder's graph is left alone.
    """
    scatter = _scatter(model, features)
    if scatter is None:
        return
    ids, weights = scatter.input[1:3]
    chain = _chain(model, features)
    if not chain:
        say("the query graph stays dense: its head does not begin with a matrix product")
        return
    table, bias = _folded(model, chain)
    wide = {features, *(name for node in chain[:-1] for name in node.output)}
    for node in model.graph.node:
        if _tells_batch(node) and node.input[0] in wide:
            node.input[0] = weights  # as many rows, and no columns to make
    constants = {"table": np.pad(table, ((len(SPECIAL), 0), (0, 0))), "bias": bias}
    _replace(model, chain[-1], ids, weights, constants)
    prune(model)


def _scatter(model: onnx.ModelProto, features: str) -> onnx.NodeProto | None:
    """Return the node that makes TF-IDF's wide row, None if the features are another encoder's."""
    maker = {name: node for node in model.graph.node for name in node.output}
    scatter = maker.get(maker[features].input[0]) if features in maker else None
    if scatter is None or scatter.op_type != "ScatterElements":
        return None
    # A prefix keeps the encoders of several ports apart.
    return scatter if scatter.input[2].rpartition("/")[2] == WEIGHTS else None


def _chain(model: onnx.ModelProto, name: str) -> list[onnx.NodeProto]:
    """Return the nodes from a tensor to its product with a matrix, all constant but for it."""
    constant, chain = {tensor.name for tensor in model.graph.initializer}, []
    while True:
        users = [node for node in model.graph.node if name in node.input]
        users = [node for node in users if not _tells_batch(node)]
        if (
            len(users) != 1
            or users[0].input[0] != name
            or not constant.issuperset(users[0].input[1:])
        ):
            return []
        chain.append(users[0])
        if users[0].op_type in ("Gemm", "MatMul"):
            return chain
        if users[0].op_type not in _AFFINE:
            return []
        name = users[0].output[0]


def _tells_batch(node: onnx.NodeProto) -> bool:
    """Say whether a node only asks how many rows there are."""
    span = _attribute(node, "start", 0), _attribute(node, "end", -1)
    return node.op_type == "Shape" and span == (0, 1)


def _folded(model: onnx.ModelProto, chain: list[onnx.NodeProto]) -> tuple[Array, Array]:
    """Return matrix (V, H) and bias (H,) that do the same as the chain."""
    constants = {t.name: t for t in model.graph.initializer}
    *affine, product = chain
    matrix, *rest = (_array(constants[name]) for name in product.input[1:])
    if _attribute(product, "transB", 0):
        matrix = matrix.T
    scale, shift = np.ones(len(matrix)), np.zeros(len(matrix))
    for node in affine:
        value = _array(constants[node.input[1]]).reshape(-1)
        shift = _AFFINE[node.op_type](shift, value)
        if node.op_type in ("Mul", "Div"):
            scale = _AFFINE[node.op_type](scale, value)
    bias = shift @ matrix + sum(rest)
    return scale[:, None] * matrix, bias


def _array(tensor: onnx.TensorProto) -> Array:
    return numpy_helper.to_array(tensor).astype(np.float64)


def _attribute(node: onnx.NodeProto, name: str, default: float) -> float:
    values = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
    return float(values.get(name, default))


def _replace(
    model: onnx.ModelProto,
    product: onnx.NodeProto,
    ids: str,
    weights: str,
    constants: Mapping[str, Array],
) -> None:
    """Put the sum of the rows `ids` of the table, weighted, and the bias in a product's place."""
    nodes = [
        helper.make_node("Gather", ["sparse/table", ids], ["sparse/rows"]),
        helper.make_node("Unsqueeze", [weights, "sparse/last"], ["sparse/column"]),
        helper.make_node("Mul", ["sparse/rows", "sparse/column"], ["sparse/parts"]),
        helper.make_node(
            "ReduceSum", ["sparse/parts", "sparse/middle"], ["sparse/sum"], keepdims=0
        ),
        helper.make_node("Add", ["sparse/sum", "sparse/bias"], list(product.output)),
    ]
    arrays = {name: array.astype(np.float32) for name, array in constants.items()}
    axes = {"last": np.array([2], np.int64), "middle": np.array([1], np.int64)}
    for name, array in (arrays | axes).items():
        model.graph.initializer.append(numpy_helper.from_array(array, f"sparse/{name}"))
    place = list(model.graph.node).index(product)
    for node in reversed(nodes):
        model.graph.node.insert(place, node)
    model.graph.node.remove(product)
