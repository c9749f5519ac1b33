"""Matrices of 8 or 4 bits, widened by DequantizeLinear before each product.

Of 8 bits a column has a scale, as TensorRT takes it, of 4 bits each block of a column.
onnxruntime makes one MatMulNBits of the two nodes, which on a CPU rounds what it multiplies to 8
bits as well, with scales of each row's own: so a row's answer does not depend on its batch.

A trained head behind a frozen encoder stays in fp32: it is a small part of the work, and its sums
of terms that cancel, such as kernels', make much of what is rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.version_converter
from onnx import TensorProto, helper, numpy_helper

from zscr.errors import ConfigError
from zscr.export.precision.halves import with_half_tables
from zscr.export.precision.weights import (
    Matrix,
    attribute_of,
    float_weights,
    head_weights,
    replace_nodes,
)

OPSET = 21  # the first with blocks and 4 bits
BLOCK = 32  # numbers of a column that share a scale, of 4 bits
_LEAST = 32  # rows and columns; smaller matrices cost nothing
_KINDS = {8: (TensorProto.INT8, 127), 4: (TensorProto.INT4, 7)}


def in_integers(model: onnx.ModelProto, bits: int) -> onnx.ModelProto:
    """Return a graph whose constant matrices are integers, and whose tables are of 16 bits.

    Args:
        model: in fp32; stays as it is.
        bits: 8 or 4.

    Raises:
        ConfigError: the graph has no such matrix, or an operator that cannot be brought to the
            opset of blocks.
    """
    made = with_half_tables(model)
    if bits == 4:
        made = _with_blocks(made)
    replace_nodes(made.graph, _nodes(made.graph, bits))
    if all(node.op_type != "DequantizeLinear" for node in made.graph.node):
        raise ConfigError(
            f"the graph has no constant matrix of {_LEAST} rows and columns for int{bits}; use fp32"
        )
    return made


def _with_blocks(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph at the opset that has blocks."""
    try:
        made: onnx.ModelProto = onnx.version_converter.convert_version(model, OPSET)
    except (RuntimeError, onnx.version_converter.ConvertError) as error:
        raise ConfigError(
            f"the graph cannot be brought to opset {OPSET}, which int4 needs ({error}); use int8"
        ) from error
    made.ir_version = model.ir_version
    return made


def quantised(matrix: Matrix, bits: int) -> tuple[npt.NDArray[np.int8], Matrix]:
    """Return integers (K, N) and scales (S, N), whose products are about the matrix.

    S is 1 of 8 bits, and of 4 the number of blocks, ceil(K / BLOCK). They are symmetric: the
    largest magnitude that shares a scale is 127, or 7.
    """
    rows, columns = matrix.shape
    block = rows if bits == 8 else BLOCK
    padded = np.pad(matrix, ((0, -rows % block), (0, 0)))
    blocks = padded.reshape(-1, block, columns)
    scales = np.abs(blocks).max(axis=1) / _KINDS[bits][1]
    scales[scales == 0] = 1  # of a block of zeros
    whole = np.rint(blocks / scales[:, None]).astype(np.int8)
    return whole.reshape(-1, columns)[:rows], scales.astype(np.float32)


def _nodes(graph: onnx.GraphProto, bits: int) -> Iterator[onnx.NodeProto]:
    weights, made = float_weights(graph), set[str]()
    for name in head_weights(graph):
        weights.pop(name, None)
    for node in [*graph.node]:
        matrix = _matrix(node, weights)
        if matrix is None:
            yield node
            continue
        name = f"{node.input[1]}/{'columns' if _is_turned(node) else 'rows'}/int{bits}"
        if name not in made:
            made.add(name)
            graph.initializer.extend(_tensors(name, *quantised(matrix, bits), bits))
            shared: dict[str, Any] = {"axis": 1} if bits == 8 else {"axis": 0, "block_size": BLOCK}
            parts = [f"{name}/whole", f"{name}/scales"]
            yield helper.make_node("DequantizeLinear", parts, [name], **shared)
        yield from _product(node, name)


def _matrix(node: onnx.NodeProto, weights: dict[str, Matrix]) -> Matrix | None:
    """Return what a node multiplies its rows with, (K, N); None where that is no large constant."""
    plain = node.op_type == "MatMul" or (
        node.op_type == "Gemm"
        and not attribute_of(node, "transA", 0)
        and attribute_of(node, "alpha", 1) == 1
        and attribute_of(node, "beta", 1) == 1
    )
    found = weights.get(node.input[1]) if plain else None
    if found is None or found.ndim != 2 or min(found.shape) < _LEAST:
        return None
    return found.T if _is_turned(node) else found


def _is_turned(node: onnx.NodeProto) -> bool:
    return node.op_type == "Gemm" and bool(attribute_of(node, "transB", 0))


def _product(node: onnx.NodeProto, matrix: str) -> Iterator[onnx.NodeProto]:
    """Yield the product with a matrix (K, N), and what is added to it."""
    [output], more = node.output, [*node.input[2:]]
    product = f"{output}/product" if more else output
    yield helper.make_node("MatMul", [node.input[0], matrix], [product])
    if more:
        yield helper.make_node("Add", [product, *more], [output])


def _tensors(
    name: str, whole: npt.NDArray[np.int8], scales: Matrix, bits: int
) -> list[onnx.TensorProto]:
    kind = helper.tensor_dtype_to_np_dtype(_KINDS[bits][0])
    return [
        numpy_helper.from_array(whole.astype(kind), f"{name}/whole"),
        numpy_helper.from_array(scales[0] if bits == 8 else scales, f"{name}/scales"),
    ]
