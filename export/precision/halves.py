"""Products and tables in 16 bits, between casts that are written into the graph.

What is no product (LayerNorm, softmax, norms, exponentials, log-sigma) stays in fp32 with all that
flows between, so nothing but the factors is rounded, and ids stay integers. TensorRT and CUDA sum
products of halves in fp32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from zscr.errors import ConfigError
from zscr.export.precision.weights import float_weights, replace_nodes

# What takes and gives 16 bits; bfloat16 has no convolution before opset 22.
PRODUCTS: dict[int, tuple[str, ...]] = {
    TensorProto.FLOAT16: ("MatMul", "Gemm", "Conv"),
    TensorProto.BFLOAT16: ("MatMul", "Gemm"),
}
_SUFFIX: dict[int, str] = {TensorProto.FLOAT16: "fp16", TensorProto.BFLOAT16: "bf16"}


class Halves:
    """Makes tensors of a graph 16 bits wide, each once.

    Args:
        graph: gets the constants that are made.
        kind: `TensorProto.FLOAT16` or `BFLOAT16`.
    """

    def __init__(self, graph: onnx.GraphProto, kind: int) -> None:
        self._graph, self._kind = graph, kind
        self._weights = float_weights(graph)
        self._others = {tensor.name for tensor in graph.initializer} - self._weights.keys()
        self._made = dict[str, str]()

    def nodes(self, *, products: bool) -> Iterator[onnx.NodeProto]:
        """Yield the graph's nodes in order, with tables and, if asked, products in halves.

        Raises:
            ConfigError: a weight is too large for 16 bits.
        """
        for node in [*self._graph.node]:
            if node.op_type == "Gather" and self._is_table(node.input[0]):
                yield from self._narrowed(node, [0])
            elif products and self._is_product(node):
                yield from self._narrowed(node, range(len(node.input)))
            else:
                yield node

    def _is_product(self, node: onnx.NodeProto) -> bool:
        """Say whether a node multiplies floats, and not integers or what is short already."""
        return node.op_type in PRODUCTS[self._kind] and self._others.isdisjoint(node.input)

    def _is_table(self, name: str) -> bool:
        return name in self._weights and self._weights[name].ndim == 2

    def _narrowed(self, node: onnx.NodeProto, places: Iterable[int]) -> Iterator[onnx.NodeProto]:
        """Yield a node that takes halves at these places and gives fp32 under its old name."""
        for place in places:
            if name := node.input[place]:
                yield from self._casts(name)
                node.input[place] = self._made[name]
        wide, narrow = node.output[0], f"{node.output[0]}/{_SUFFIX[self._kind]}"
        node.output[0] = self._made[wide] = narrow  # which the next product takes as it is
        yield node
        yield helper.make_node("Cast", [narrow], [wide], to=TensorProto.FLOAT)

    def _casts(self, name: str) -> Iterator[onnx.NodeProto]:
        """Make a tensor's half; yield the node that does so, where it is no constant."""
        if name in self._made:
            return
        self._made[name] = half = f"{name}/{_SUFFIX[self._kind]}"
        if name in self._weights:
            self._graph.initializer.append(self._rounded(name, half))
        else:
            yield helper.make_node("Cast", [name], [half], to=self._kind)

    def _rounded(self, name: str, half: str) -> onnx.TensorProto:
        with np.errstate(over="ignore"):
            rounded = self._weights[name].astype(helper.tensor_dtype_to_np_dtype(self._kind))
        if not np.isfinite(rounded.astype(np.float32)).all():
            raise ConfigError(
                f"the weight '{name}' has numbers beyond the range of "
                f"{_SUFFIX[self._kind]}; use bf16 or int8"
            )
        return numpy_helper.from_array(rounded, half)


def in_halves(model: onnx.ModelProto, kind: int) -> onnx.ModelProto:
    """Return a graph whose products and tables are of 16 bits.

    Args:
        model: in fp32; stays as it is.
        kind: `TensorProto.FLOAT16` or `BFLOAT16`.

    Raises:
        ConfigError: a weight is too large for 16 bits.
    """
    made = onnx.ModelProto()
    made.CopyFrom(model)
    replace_nodes(made.graph, Halves(made.graph, kind).nodes(products=True))
    return made


def with_half_tables(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph whose tables alone, such as the vectors of words, are of 16 bits."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    replace_nodes(made.graph, Halves(made.graph, TensorProto.FLOAT16).nodes(products=False))
    return made
