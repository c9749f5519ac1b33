"""Where a graph can be cut in two: the tensors through which all that is made of the pixels goes.

In the order of computation, a tensor is such a place exactly if, right after it is computed, it is
the only one that anything later needs: what else was needed would lead around it, and whatever does
not lead around it is computed before (from it) or after (to it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
import onnx.compose
import onnx.shape_inference
import onnx.utils

from zscr.errors import InputError
from zscr.train.encoders.onnx import merge

LARGEST = 1 << 14  # numbers of a row; of 16 bits it takes as much room as a small JPEG
HALVED = np.dtype(np.float16)  # of rows that are maps: an error of 5e-4 of a number, at most
_SIZES = {"Shape", "Size"}  # tell how many there are, and nothing of what they are


@dataclass(frozen=True)
class Cut:
    """A place to cut at.

    Attributes:
        tensor: its name; shape: of one row of it.
        nodes: what is computed behind it, in order.
    """

    tensor: str
    shape: tuple[int, ...]
    nodes: tuple[onnx.NodeProto, ...]

    @property
    def is_map(self) -> bool:
        """Whether a row is a map of several places."""
        return len(self.shape) == 3 and min(self.shape[1:]) > 1


def inferred(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with the shapes of all its tensors."""
    whole: onnx.ModelProto = onnx.shape_inference.infer_shapes(
        model, strict_mode=True, data_prop=True
    )
    return whole


def shapes_of(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Return the shape of a row of each tensor of an inferred graph; 0 is an unknown size."""
    graph = model.graph
    return {
        value.name: tuple(axis.dim_value for axis in value.type.tensor_type.shape.dim)[1:]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }


def cuts_of(model: onnx.ModelProto) -> list[Cut]:
    """Return the places at which an inferred graph of one input and one output can be cut."""
    path, shapes = _path(model), shapes_of(model)
    last = {name: place for place, node in enumerate(path) for name in node.input}
    needed, cuts = {model.graph.input[0].name}, []
    for place, node in enumerate(path):
        needed |= {name for name in node.output if name in last}
        needed = {name for name in needed if last[name] > place}
        if len(needed) == 1:
            [tensor] = needed
            cuts.append(Cut(tensor, shapes.get(tensor, ()), tuple(path[place + 1 :])))
    return cuts


def _path(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Return the nodes that lie between input and output, in the order of computation."""
    reached = {model.graph.input[0].name}
    nodes = []
    for node in model.graph.node:
        if node.op_type not in _SIZES and not reached.isdisjoint(node.input):
            reached.update(node.output)
            nodes.append(node)
    wanted, path = {model.graph.output[0].name}, []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.output):
            wanted.update(reached.intersection(node.input))
            path.append(node)
    return path[::-1]


def chosen_cut(cuts: Sequence[Cut], tensor: str, name: str) -> Cut:
    """Return the place called `tensor`, or the end of the first stage whose maps are small enough.

    A stage is what has maps of one shape: of MobileNetV2, the 14 x 14 x 64 numbers behind all four
    blocks that make such. What is behind it is as little as can be, for maps that are kept.

    Args:
        cuts: the places, in order.
        tensor: the wanted one, or empty.
        name: of the encoder, in messages.

    Raises:
        InputError: there is no such place.
    """
    maps = [cut for cut in cuts if cut.is_map]
    if tensor:
        found = [cut for cut in maps if cut.tensor == tensor]
    else:
        small = [cut for cut in maps if prod(cut.shape) <= LARGEST]
        found = [cut for cut in small if cut.shape == small[0].shape]
    if found:
        return found[-1]
    ends = {cut.shape: f"'{cut.tensor}' ({'x'.join(map(str, cut.shape))})" for cut in maps}
    known = ", ".join([*ends.values()][-6:])
    wanted = f"no map '{tensor}'" if tensor else f"no map of at most {LARGEST} numbers"
    raise InputError(
        f"{name} has {wanted} through which everything goes"
        + (f"; set cut to one of its last ones: {known}" if known else "; take another encoder")
    )


def last_map(cuts: Sequence[Cut], name: str) -> Cut:
    """Return the last place at which there is a map.

    Raises:
        InputError: there is none.
    """
    maps = [cut for cut in cuts if cut.is_map]
    if not maps:
        raise InputError(f"{name} has no map through which everything goes; take another encoder")
    return maps[-1]


def up_to(model: onnx.ModelProto, tensor: str, rows: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph from pixels to what another graph, of one input, makes of a tensor."""
    extract = onnx.utils.Extractor(model).extract_model
    lower: onnx.ModelProto = extract([model.graph.input[0].name], [tensor])
    del lower.graph.value_info[:]
    behind = onnx.compose.add_prefix(rows, "rows/", rename_outputs=False)
    whole = merge(lower, behind, {tensor: behind.graph.input[0].name})
    onnx.checker.check_model(whole)
    return whole
