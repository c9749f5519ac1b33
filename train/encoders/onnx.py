"""ONNX graphs: tracing torch modules, loading published graphs, renaming, merging and pruning."""

from __future__ import annotations

import inspect
import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx.compose
import onnx.version_converter
import torch
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from torch import nn

from zscr.errors import InputError, MismatchError, ParityError
from zscr.infer.runners.graph_file import refuse_external_data
from zscr.infer.runners.onnx import import_onnxruntime

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPSET = 18  # the lowest that the dynamo exporter writes, so the most widely readable
IR_VERSION = 10
HEAD = f'<ir_version: {IR_VERSION}, opset_import: ["": {OPSET}]>'  # of graphs in ONNX's text form


def trace(
    module: nn.Module,
    inputs: Mapping[str, torch.Tensor],
    output: str | Sequence[str],
    *,
    dynamic: Mapping[str, Mapping[int, str]],
) -> onnx.ModelProto:
    """Trace `module(*inputs)` -> one tensor, or several.

    Args:
        module: takes the inputs in their order and returns one tensor, or a tuple of several.
        inputs: name -> example. A dynamic axis must be 2 or more: tracing with 1 bakes in 1.
        output: the output's name, or the names of several.
        dynamic: input name -> {axis: symbolic name}.
    """
    assert all(inputs[name].shape[axis] >= 2 for name, axes in dynamic.items() for axis in axes)
    names = {name for axes in dynamic.values() for name in axes.values()}
    sizes = {name: torch.export.Dim(name, min=1, max=1 << 20) for name in names}
    shapes = tuple({a: sizes[n] for a, n in dynamic.get(key, {}).items()} for key in inputs)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            module.eval(),
            tuple(inputs.values()),
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes=(shapes,) if _starred(module) else shapes,
            input_names=list(inputs),
            output_names=[output] if isinstance(output, str) else [*output],
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    model.ir_version = IR_VERSION
    name_opsets_once(model)
    _compare_floats(model.graph)
    del model.graph.value_info[:]  # stale shapes of the exporter; quantisation trips over them
    for node in model.graph.node:
        del node.metadata_props[:]  # stack traces, with the paths of the machine that exports
    for value in model.graph.input:
        for axis in dynamic.get(value.name, {}):  # the exporter fixes an axis without a word
            size = value.type.tensor_type.shape.dim[axis].dim_value
            assert not size, f"the trace fixes axis {axis} of {value.name} at {size}"
    return model


def _compare_floats(graph: onnx.GraphProto) -> None:
    """Let ArgMax look at floats, which hold every token's id: onnxruntime has no other on CUDA.

    A CLIP's text tower finds its end token by it; on the CPU it would wait there in every run.
    """
    whole = {onnx.TensorProto.INT32, onnx.TensorProto.INT64}
    kinds = {one.name: one.type.tensor_type.elem_type for one in (*graph.value_info, *graph.input)}
    for place, node in reversed([*enumerate(graph.node)]):
        if node.op_type == "ArgMax" and kinds.get(node.input[0]) in whole:
            name = f"{node.input[0]}/float"
            cast = onnx.helper.make_node("Cast", [node.input[0]], [name], to=onnx.TensorProto.FLOAT)
            graph.node.insert(place, cast)
            node.input[0] = name


def _starred(module: nn.Module) -> bool:
    """Say whether a module takes `*rows`, which the exporter sees as one tuple."""
    parameters = inspect.signature(module.forward).parameters.values()
    return any(one.kind is one.VAR_POSITIONAL for one in parameters)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's own talk about itself; its errors are exceptions."""
    talkers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript")]
    levels = [one.level for one in talkers]
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for one in talkers:
            one.setLevel(logging.ERROR)
        yield
    for one, level in zip(talkers, levels, strict=True):
        one.setLevel(level)


def load_graph(path: Path) -> onnx.ModelProto:
    """Load a published graph at the opset of the graphs that it will be merged with.

    Raises:
        InputError: not ONNX, of operators that the other graphs cannot have, or its weights lie in
            other files (a path that could point anywhere).
    """
    try:
        refuse_external_data(path)
        model = onnx.load(path, load_external_data=False)
    except (DecodeError, OSError, ValueError) as error:
        raise InputError(f"{path} is not an ONNX graph of one file ({error})") from error
    if version_of(model) != OPSET:
        try:
            model = onnx.version_converter.convert_version(model, OPSET)
        except onnx.version_converter.ConvertError as error:
            raise InputError(f"{path} cannot be brought to opset {OPSET} ({error})") from error
    model.ir_version = IR_VERSION
    name_opsets_once(model)
    return model


def run_bytes(model: onnx.ModelProto, feeds: Mapping[str, Any]) -> Any:
    """Run a graph from memory in onnxruntime on the CPU and return its first output."""
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, dict(feeds))[0]


def require_parity(
    what: str,
    model: onnx.ModelProto,
    feeds: Mapping[str, Any],
    expected: Any,
    tolerance: float,
    *,
    kept: Any = ...,
) -> float:
    """Compare onnxruntime's output with torch's; return their largest difference.

    Args:
        what: names the graph in the error.
        model: the graph; feeds: its inputs.
        expected: torch's output, an array.
        tolerance: of a component.
        kept: index of what counts, such as the tokens that are not padding.

    Raises:
        ParityError: they differ by more, or one of them is NaN.
    """
    difference = float(np.abs(run_bytes(model, feeds)[kept] - expected[kept]).max())
    if not difference <= tolerance:
        raise ParityError(
            f"{what}: onnxruntime differs from torch by {difference:.2g}, over {tolerance:.2g}"
        )
    return difference


def rename(model: onnx.ModelProto, names: Mapping[str, str]) -> None:
    """Give tensors of a graph other names, in place."""
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]


def merge(
    first: onnx.ModelProto, second: onnx.ModelProto, links: Mapping[str, str]
) -> onnx.ModelProto:
    """Feed outputs of one graph to inputs of another; inputs of either that are left stay.

    Args:
        first, second: of one opset; their tensors have different names.
        links: output of the first -> input of the second.

    Raises:
        MismatchError: they are of different opsets; `trace` and `load_graph` make them alike.
    """
    versions = [version_of(model) for model in (first, second)]
    if versions[0] != versions[1]:
        raise MismatchError(
            f"graphs of opset {versions[0]} and {versions[1]} cannot be merged; convert the "
            f"encoder again with this version of zscr"
        )
    outputs = [value.name for value in second.graph.output]
    merged: onnx.ModelProto = onnx.compose.merge_models(
        first, second, io_map=[*links.items()], outputs=outputs
    )
    merged.ir_version = IR_VERSION
    merged.producer_name = "zscr"
    name_opsets_once(merged)
    del merged.graph.value_info[:]
    return merged


def name_opsets_once(model: onnx.ModelProto) -> None:
    """Leave, in place, one entry a domain, the default one under its short name.

    onnx.compose lists the domains of each graph that it merges, and onnxruntime's quantiser refuses
    a graph that lists the default one twice.
    """
    newest = dict[str, int]()
    for entry in model.opset_import:
        domain = "" if entry.domain == "ai.onnx" else entry.domain
        newest[domain] = max(entry.version, newest.get(domain, 0))
    del model.opset_import[:]
    model.opset_import.extend(onnx.helper.make_opsetid(*entry) for entry in newest.items())


def version_of(model: onnx.ModelProto) -> int:
    """Return the version of the default operator set."""
    versions = [e.version for e in model.opset_import if e.domain in ("", "ai.onnx")]
    return int(max(versions))


def prune(model: onnx.ModelProto) -> None:
    """Drop the nodes and constants that no output depends on."""
    graph, needed = model.graph, {output.name for output in model.graph.output}
    for node in reversed(list(graph.node)):
        if needed.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            needed.update(node.input)
    for tensor in list(graph.initializer):
        if tensor.name not in needed:
            graph.initializer.remove(tensor)
    onnx.checker.check_model(model)
