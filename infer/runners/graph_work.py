"""How much work a graph is for given feeds: weights that are read, and products that are computed.

Shapes are those of one run in onnxruntime as the file has the graph, with no operator fused. What
is counted: every weight once, a table that only rows are taken of by those rows; products of
matrices and convolutions, of weights and of activations. Not counted: activations that are written
and read, element-wise operators, and what `UNCOUNTED` names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy.typing as npt

from zscr.infer.runners.graph_content import GraphContent, read_graph
from zscr.infer.runners.onnx import import_onnxruntime, session_options
from zscr.infer.runners.runner import Runtime

_MATRIX = {"MatMul", "FusedMatMul", "MatMulInteger", "QLinearMatMul", "DynamicQuantizeMatMul"}
_MATRIX |= {"MatMulIntegerToFloat", "MatMulNBits", "MatMulBnb4"}
_CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}  # where weights are
_TABLES = {"Gather", "com.microsoft.GatherBlockQuantized"}
UNCOUNTED = ("Attention", "MultiHeadAttention", "QAttention", "LSTM", "GRU", "RNN", "Einsum")


@dataclass(frozen=True)
class Step:
    """One operator as it ran, with the shapes of what it took and gave."""

    operator: str
    inputs: tuple[tuple[int, ...], ...]
    outputs: tuple[tuple[int, ...], ...]

    @property
    def macs(self) -> int:
        """Multiplications, each with an addition, of a product; 0 of any other operator."""
        if self.operator in _MATRIX:
            return prod(self.outputs[0]) * self.inputs[0][-1]
        if self.operator == "Gemm":  # whose first matrix may be transposed
            return prod(self.outputs[0]) * (prod(self.inputs[0]) // max(1, self.outputs[0][0]))
        if self.operator == "ConvTranspose":
            return prod(self.inputs[0]) * prod(self.inputs[1][1:])
        if self.operator in _CONVOLUTIONS:
            return prod(self.outputs[0]) * prod(self.inputs[_CONVOLUTIONS[self.operator]][1:])
        return 0


@dataclass(frozen=True)
class Work:
    """What a run takes: bytes of weights that are read, and multiplications with an addition.

    Attributes:
        uncounted: operators that compute products and are not counted.
    """

    weight_bytes: int
    macs: int
    uncounted: tuple[str, ...] = ()


def work_of(path: Path, feeds: Mapping[str, npt.NDArray[Any]]) -> Work:
    """Run a graph once, and count its work.

    Raises:
        ValueError, OSError: the file is no ONNX file, or cannot be read.
    """
    return counted(read_graph(path), ran(path, feeds))


def counted(graph: GraphContent, steps: Sequence[Step]) -> Work:
    """Count what the weights and the steps of a run come to."""
    uses: dict[str, set[bool]] = {}
    for node in graph.nodes:
        for place, name in enumerate(node.inputs):
            uses.setdefault(name, set()).add(node.operator in _TABLES and place == 0)
    tables = [w for w in graph.weights.values() if uses.get(w.name) == {True}]
    whole = sum(w.bytes for w in graph.weights.values() if False in uses.get(w.name, ()))
    each = {table.shape: table.bytes / max(1, table.size) for table in tables}
    rows = sum(
        prod(step.outputs[0]) * each[step.inputs[0]]
        for step in steps
        if step.operator.startswith("Gather") and step.inputs and step.inputs[0] in each
    )
    missed = tuple(sorted({step.operator for step in steps} & {*UNCOUNTED}))
    return Work(whole + int(rows), sum(step.macs for step in steps), missed)


def ran(path: Path, feeds: Mapping[str, npt.NDArray[Any]]) -> list[Step]:
    """Run a graph in onnxruntime as its file has it, and return its operators with their shapes."""
    ort, options = import_onnxruntime(), session_options(Runtime())
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.disable_prepacking", "1")  # or weights have no shape
    options.enable_profiling = True
    with TemporaryDirectory(prefix="zscr-") as folder:
        options.profile_file_prefix = str(Path(folder, "profile"))
        session = ort.InferenceSession(path, options, ["CPUExecutionProvider"])
        session.run(None, dict(feeds))
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    return [_step(one["args"]) for one in events if one.get("cat") == "Node" and _ran(one)]


def _ran(event: Mapping[str, Any]) -> bool:
    return event["name"].endswith("_kernel_time") and "output_type_shape" in event["args"]


def _step(told: Mapping[str, Any]) -> Step:
    return Step(
        told["op_name"], _shapes(told["input_type_shape"]), _shapes(told["output_type_shape"])
    )


def _shapes(told: Sequence[Mapping[str, Sequence[int]]]) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(shape) for one in told for shape in one.values())
