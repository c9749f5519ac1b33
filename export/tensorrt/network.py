"""A graph as TensorRT reads it: a strongly typed network, its inputs, outputs and products.

Precision is a matter of the ONNX graph. TensorRT 11 has no other, and TensorRT 10 keeps the graph's
types when it is told to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zscr.errors import ArtefactError
from zscr.export.tensorrt import api
from zscr.export.tensorrt.profile import Tensor
from zscr.infer.runners.graph_file import refuse_external_data

_TYPES = {"FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16"}  # the rest as in numpy


def parse(
    module: api.TensorRT, builder: api.Builder, listener: Any, onnx_path: Path
) -> api.Network:
    """Read a graph whose weights are in its file.

    Raises:
        ArtefactError: TensorRT cannot; holds all of its reasons, and the nodes.
    """
    try:
        refuse_external_data(onnx_path)
    except (ValueError, OSError) as error:
        raise failure("parse", onnx_path, [str(error)]) from error
    # TensorRT 10 picks types of its own unless told to keep the graph's; later ones always keep.
    typed = module.NetworkDefinitionCreationFlag.__members__.get("STRONGLY_TYPED")
    network = builder.create_network(0 if typed is None else 1 << int(typed))
    parser = module.OnnxParser(network, listener)
    if not parser.parse_from_file(str(onnx_path)):
        errors = [_reason(parser.get_error(i)) for i in range(parser.num_errors)]
        raise failure("parse", onnx_path, errors or listener.errors)
    return network


def _reason(error: api.ParserError) -> str:
    node = f"node {error.node_name()} ({error.node_operator()}): " if error.node() >= 0 else ""
    return f"{node}{error.desc()}"


def failure(what: str, onnx_path: Path, errors: Sequence[str]) -> ArtefactError:
    """Return the error that a graph cannot be parsed or compiled, with all reasons in a line."""
    reasons = "; ".join(" ".join(error.split()) for error in errors)
    return ArtefactError(f"TensorRT cannot {what} {onnx_path}: {reasons or 'it gives no reason'}")


def inputs_of(network: api.Network) -> tuple[Tensor, ...]:
    """Return the inputs of a network; -1 is an axis that a profile bounds."""
    return tuple(_tensor(network.get_input(i)) for i in range(network.num_inputs))


def outputs_of(network: api.Network) -> tuple[Tensor, ...]:
    """Return its outputs."""
    return tuple(_tensor(network.get_output(i)) for i in range(network.num_outputs))


def layers_of(network: api.Network) -> dict[str, dict[str, int]]:
    """Count the layers by their kind and the type of what they give.

    In a strongly typed network that is the type they are computed in: `matrix_multiply` ->
    `float16` -> 24. They are counted before TensorRT fuses them.
    """
    counts: dict[str, Counter[str]] = {}
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.num_outputs and (given := layer.get_output(0)):
            counts.setdefault(layer.type.name.lower(), Counter())[_type(given)] += 1
    return {kind: dict(found) for kind, found in sorted(counts.items())}


def _tensor(tensor: api.Tensor) -> Tensor:
    return Tensor(tensor.name, _type(tensor), tuple(tensor.shape))


def _type(tensor: api.Tensor) -> str:
    return _TYPES.get(tensor.dtype.name, tensor.dtype.name.lower())
