"""The part of a graph behind a cut, as a torch module that can be trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

from zscr.errors import InputError
from zscr.train.vision.cuts import Cut, cuts_of, last_map, shapes_of
from zscr.train.vision.operators import Operator, module_of
from zscr.train.vision.tower import States


class Rebuilt(nn.Module):
    """A `VisionTower` from maps at a cut to features, of the graph's own operators and weights.

    Attributes:
        width, side: see `VisionTower`.
    """

    def __init__(self, model: onnx.ModelProto, cut: Cut, name: str) -> None:
        """Build it.

        Args:
            model: the whole graph, with shapes; cut: where the rows come from.
            name: of the encoder, in messages.

        Raises:
            InputError: an operator is not known here, there is nothing to train, or the last map
                is of another width than the features.
        """
        super().__init__()
        self.start, self.end = cut.tensor, model.graph.output[0].name
        last = last_map(cuts_of(model), name)
        self.map = last.tensor
        (self.width,), (channels, self.side, _) = shapes_of(model)[self.end], last.shape
        if channels != self.width:
            raise InputError(
                f"the last map of {name} is of {channels} channels and its features are of "
                f"{self.width} numbers; behind a cut both must be of one width: set 'tokens' or "
                f"'frozen' in place of 'upper', sketches and images alike, or take another encoder"
            )
        constants, shapes = _constants(model), shapes_of(model)
        operators = [_operator(node, constants, shapes) for node in cut.nodes]
        self.parts = nn.ModuleList(module_of(one, name) for one in operators)
        self.steps = [(one.inputs, one.output) for one in operators]
        if not [*self.parameters()]:
            raise InputError(f"nothing behind '{cut.tensor}' of {name} can be trained; cut before")
        self.spent = _spent(self.steps, {self.end, self.map})

    def forward(self, rows: torch.Tensor) -> States:
        """Map rows (B, C, H, W) -> states."""
        rows = rows.float()  # they are of 16 bits
        # Channels last: a step takes three quarters of the time.
        values = {self.start: rows.contiguous(memory_format=torch.channels_last)}
        for (inputs, output), part, spent in zip(self.steps, self.parts, self.spent, strict=True):
            values[output] = part(*(values[one] for one in inputs))
            for one in spent:
                del values[one]
        tokens = values[self.map].flatten(2).transpose(1, 2)
        return States(values[self.end], tokens)


def _spent(steps: Sequence[tuple[tuple[str, ...], str]], kept: set[str]) -> list[tuple[str, ...]]:
    """Return what nothing needs any more after each step."""
    last = {name: place for place, (inputs, _) in enumerate(steps) for name in inputs}
    return [
        tuple(name for name in last if last[name] == place and name not in kept)
        for place in range(len(steps))
    ]


def _constants(model: onnx.ModelProto) -> dict[str, torch.Tensor]:
    """Return the constants of a graph by name."""
    values = {one.name: one for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            values[node.output[0]] = node.attribute[0].t
    return {
        name: torch.from_numpy(numpy_helper.to_array(one).copy()) for name, one in values.items()
    }


def _operator(
    node: onnx.NodeProto,
    constants: Mapping[str, torch.Tensor],
    shapes: Mapping[str, tuple[int, ...]],
) -> Operator:
    named = node.input[:1] if node.op_type == "Reshape" else node.input  # its shape is known
    return Operator(
        node.op_type,
        node.output[0],
        tuple(one for one in named if one and one not in constants),
        tuple(constants.get(one) for one in node.input),
        {one.name: helper.get_attribute_value(one) for one in node.attribute},
        shapes.get(node.output[0], ()),
    )
