"""Dynamic int8: onnxruntime quantises what flows, too, each tensor with a scale of its own.

The scale is of the whole batch, so an answer depends on which others are asked with it.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from zscr.export.precision.weights import head_weights
from zscr.infer.runners.onnx import import_quantiser


def in_dynamic_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph whose products with constants are of int8, a scale a column.

    TensorRT has no such operators; it is for onnxruntime alone.
    """
    tools, head = import_quantiser(), head_weights(model.graph)
    kept = [node.name for node in model.graph.node if not head.isdisjoint(node.input)]
    with TemporaryDirectory(prefix="zscr-") as folder:
        out = Path(folder) / "dynamic.onnx"
        tools.quantize_dynamic(
            model,
            out,
            op_types_to_quantize=["MatMul", "Gemm"],
            per_channel=True,
            nodes_to_exclude=[*kept, *(f"{name}_MatMul" for name in kept)],  # of a Gemm
            weight_type=tools.QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True},
        )
        return onnx.load(out)
