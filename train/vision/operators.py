"""Operators of ONNX as torch modules that can be trained, as far as convolutional networks go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from zscr.errors import InputError

Tensors = tuple[torch.Tensor | None, ...]


@dataclass(frozen=True)
class Operator:
    """A node of a graph.

    Attributes:
        kind: its name in ONNX; output: the name of what it makes.
        inputs: the names of those that are computed, of which there is a gradient.
        constants: of each input: its value, None where it is computed or left out.
        attributes: by name.
        shape: of a row that it makes.
    """

    kind: str
    output: str
    inputs: tuple[str, ...]
    constants: Tensors
    attributes: Mapping[str, Any]
    shape: tuple[int, ...]

    def constant(self, place: int) -> torch.Tensor | None:
        """Return an input that is a constant, None if it is none or left out."""
        return self.constants[place] if place < len(self.constants) else None


class Convolution(nn.Module):
    """A convolution that may pad each side by another number, as TensorFlow's networks do."""

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        weight, get = _required(operator, 1), operator.attributes.get
        top, left, bottom, right = get("pads", [0, 0, 0, 0])
        self.pads = (left, right, top, bottom)  # torch's order: the last axis first
        self.how: dict[str, Any] = {
            "stride": tuple(get("strides", (1, 1))),
            "dilation": tuple(get("dilations", (1, 1))),
            "groups": get("group", 1),
        }
        bias = operator.constant(2)
        self.weight = nn.Parameter(weight)
        self.bias = None if bias is None else nn.Parameter(bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) -> (B, C', H', W')."""
        left, right, top, bottom = self.pads
        if left == right and top == bottom:
            return functional.conv2d(x, self.weight, self.bias, padding=(top, left), **self.how)
        return functional.conv2d(functional.pad(x, self.pads), self.weight, self.bias, **self.how)


class Normalised(nn.Module):
    """Batch normalisation by the statistics that were learned, as a scale and a shift.

    (x - m) / sqrt(v + e) * g + b = x * s + (b - m * s), where s = g / sqrt(v + e): small batches of
    drawings do not move the statistics of a large training set.
    """

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        gain, bias, mean, variance = (_required(operator, place) for place in range(1, 5))
        scale = gain / (variance + operator.attributes.get("epsilon", 1e-5)).sqrt()
        self.scale = nn.Parameter(scale[:, None, None])
        self.shift = nn.Parameter((bias - mean * scale)[:, None, None])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, C, H, W) -> (B, C, H, W)."""
        return x * self.scale + self.shift


class Combined(nn.Module):
    """The sum or product of two maps, or of one and a constant."""

    def __init__(self, operator: Operator, combine: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.combine = combine
        constants = [one for one in operator.constants if one is not None]
        self.constant = nn.Parameter(constants[0]) if constants else None

    def forward(self, *x: torch.Tensor) -> torch.Tensor:
        """Map what is computed of it, one or two tensors, to their combination."""
        return self.combine(*x, *([] if self.constant is None else [self.constant]))


class Function(nn.Module):
    """A function without weights."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map a tensor -> what the function makes of it."""
        return self.function(x)


def _convolution(operator: Operator) -> nn.Module:
    if operator.attributes.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise KeyError
    if _required(operator, 1).ndim != 4:
        raise KeyError
    return Convolution(operator)


def _max_pool(operator: Operator) -> nn.Module:
    size, stride, pads = _window(operator)
    # What is padded is never the largest, as everywhere in ONNX.
    return Function(
        lambda x: functional.max_pool2d(functional.pad(x, pads, value=-torch.inf), size, stride)
    )


def _average_pool(operator: Operator) -> nn.Module:
    size, stride, pads = _window(operator)
    if any(pads):  # which of them count is a setting of its own
        raise KeyError
    return Function(lambda x: functional.avg_pool2d(x, size, stride))


def _window(operator: Operator) -> tuple[list[int], list[int], tuple[int, ...]]:
    """Return size and stride of a pooling window, and pads in torch's order."""
    get = operator.attributes.get
    size = [*operator.attributes["kernel_shape"]]
    plain = get("auto_pad", b"NOTSET") in (b"NOTSET", b"VALID") and not get("ceil_mode", 0)
    if not plain or len(size) != 2 or any(step != 1 for step in get("dilations", ())):
        raise KeyError
    top, left, bottom, right = get("pads", [0, 0, 0, 0])
    return size, [*get("strides", (1, 1))], (left, right, top, bottom)


def _leaky(operator: Operator) -> nn.Module:
    slope = operator.attributes.get("alpha", 0.01)
    return Function(lambda x: functional.leaky_relu(x, slope))


def _clip(operator: Operator) -> nn.Module:
    bounds = zip(map(operator.constant, (1, 2)), (-torch.inf, torch.inf), strict=True)
    low, high = (none if bound is None else float(bound) for bound, none in bounds)
    # As `clamp`, whose gradient takes four passes over x where this takes one.
    return Function(lambda x: functional.hardtanh(x, low, high))


def _mean(operator: Operator) -> nn.Module:
    axes = operator.constant(1)
    named = operator.attributes.get("axes", ()) if axes is None else axes.tolist()
    keep = bool(operator.attributes.get("keepdims", 1))
    if not named:
        raise KeyError
    return Function(lambda x: x.mean(tuple(named), keep))


def _hard_sigmoid(operator: Operator) -> nn.Module:
    slope = operator.attributes.get("alpha", 0.2)
    middle = operator.attributes.get("beta", 0.5)
    return Function(lambda x: (x * slope + middle).clamp(0, 1))


def _reshaped(operator: Operator) -> nn.Module:
    """Return what makes rows of a fixed shape; a graph may compute how many they are."""
    if not all(operator.shape):
        raise KeyError
    return Function(lambda x: x.reshape(x.shape[0], *operator.shape))  # len(x) fixes the batch


def _combined(combine: Callable[..., torch.Tensor]) -> Callable[[Operator], nn.Module]:
    return lambda operator: Combined(operator, combine)


def _plain(function: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Operator], nn.Module]:
    return lambda _: Function(function)


_MODULES: Mapping[str, Callable[[Operator], nn.Module]] = {
    "Conv": _convolution,
    "BatchNormalization": Normalised,
    "Clip": _clip,
    "Relu": _plain(torch.relu),
    "LeakyRelu": _leaky,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "Sigmoid": _plain(torch.sigmoid),
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(functional.hardswish),
    "Add": _combined(torch.add),
    "Mul": _combined(torch.mul),
    "GlobalAveragePool": _plain(lambda x: x.mean((2, 3), keepdim=True)),
    "ReduceMean": _mean,
    "Reshape": _reshaped,
    "Flatten": _reshaped,
    "Squeeze": _reshaped,
    "Identity": _plain(lambda x: x),
    "Dropout": _plain(lambda x: x),  # of a network that is only evaluated
}
_OF_TWO = {"Add", "Mul"}  # computed tensors; what else is computed of others is not of weights


def module_of(operator: Operator, name: str) -> nn.Module:
    """Return the module that computes an operator.

    Args:
        operator: the node; name: of its encoder, in messages.

    Raises:
        InputError: it is of a kind, or used in a way, that is not known here.
    """
    try:
        if len(operator.inputs) > (2 if operator.kind in _OF_TWO else 1):
            raise KeyError
        return _MODULES[operator.kind](operator)
    except KeyError as error:
        raise InputError(
            f"{name} makes '{operator.output}' by the operator {operator.kind}, which cannot be "
            f"trained like that (known are {', '.join(_MODULES)}); cut behind it or keep it frozen"
        ) from error


def _required(operator: Operator, place: int) -> torch.Tensor:
    value = operator.constant(place)
    if value is None:
        raise KeyError
    return value
