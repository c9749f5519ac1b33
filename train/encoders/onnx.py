"""From a torch module to an ONNX graph with a dynamic batch: the one place where zscr traces."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import onnx
import onnx.version_converter
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from torch import nn

from zscr.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPSET = 18  # the lowest that the dynamo exporter writes, so the most widely readable
IR_VERSION = 10


def trace(
    module: nn.Module,
    inputs: Mapping[str, torch.Tensor],
    output: str,
    *,
    dynamic: Mapping[str, Mapping[int, str]],
) -> onnx.ModelProto:
    """Trace `module(*inputs)` -> one tensor.

    Args:
        module: takes the inputs in their order and returns one tensor.
        inputs: name -> example. The batch must be 2 or more: tracing with 1 bakes in 1.
        output: the output's name.
        dynamic: input name -> {axis: symbolic name}.
    """
    assert all(tensor.shape[0] >= 2 for tensor in inputs.values())
    names = {name for axes in dynamic.values() for name in axes.values()}
    sizes = {name: torch.export.Dim(name, min=1, max=1 << 20) for name in names}
    shapes = tuple({a: sizes[n] for a, n in dynamic.get(key, {}).items()} for key in inputs)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=shapes,
            input_names=list(inputs),
            output_names=[output],
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.ir_version = IR_VERSION
    del model.graph.value_info[:]  # stale shapes of the exporter; quantisation trips over them
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces, with the paths of the machine that exports
    for value in model.graph.input:
        for axis in dynamic.get(value.name, {}):  # the exporter fixes an axis without a word
            size = value.type.tensor_type.shape.dim[axis].dim_value
            assert not size, f"the trace fixes axis {axis} of {value.name} at {size}"
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's own talk about itself; its errors are exceptions."""
    level = logging.getLogger("torch.onnx").level
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        yield
    logging.getLogger("torch.onnx").setLevel(level)


def load_graph(path: Path) -> onnx.ModelProto:
    """Load a published graph at the opset of the graphs that it will be merged with.

    Raises:
        InputError: not ONNX, of operators that the other graphs cannot have, or its weights lie in
            other files (a path that could point anywhere).
    """
    try:
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError) as error:
        raise InputError(f"{path} is not an ONNX graph ({error})") from error
    if any(onnx.external_data_helper.uses_external_data(t) for t in model.graph.initializer):
        raise InputError(f"{path} keeps weights in other files; save it as one file")
    version = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    if version != OPSET:
        try:
            model = onnx.version_converter.convert_version(model, OPSET)
        except onnx.version_converter.ConvertError as error:
            raise InputError(f"{path} cannot be brought to opset {OPSET} ({error})") from error
    model.ir_version = IR_VERSION
    return model


def run_bytes(model: onnx.ModelProto, feeds: Mapping[str, Any]) -> Any:
    """Run a graph from memory in onnxruntime on the CPU and return its first output."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, dict(feeds))[0]


def max_difference(left: Sequence[Any], right: Sequence[Any]) -> float:
    """Return the largest absolute difference between two lists of arrays."""
    return max(float(abs(a - b).max()) for a, b in zip(left, right, strict=True))
