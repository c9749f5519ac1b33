"""A linear layer and its leaky ReLU, forwards and backwards, without autograd.

Autograd allocates every gradient anew: for a layer of 8 million weights and 64 rows the page faults
of that take longer on a CPU than the product itself (28 ms against 11 ms, measured), and each small
call has its price on a GPU, too. Results have the type of the rows, float32, though autocast may
multiply in a lower precision.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from zscr.train.methods.zscrgan.networks import SLOPE
from zscr.train.methods.zscrgan.reference.fused import FusedOptimizer


def forward(layer: nn.Linear, rows: torch.Tensor) -> torch.Tensor:
    """Map rows (R, in) -> (R, out)."""
    return functional.linear(rows, layer.weight, layer.bias).to(rows.dtype)


def back(layer: nn.Linear, gradient: torch.Tensor) -> torch.Tensor:
    """Map the gradient of a layer's output (R, out) to that of its input (R, in)."""
    return torch.mm(gradient, layer.weight).to(gradient.dtype)


def keep(
    optimizer: FusedOptimizer, layer: nn.Linear, rows: torch.Tensor, gradient: torch.Tensor
) -> None:
    """Give an optimizer the gradients of a layer.

    Args:
        optimizer: of the layer.
        layer: with or without a bias.
        rows: its input (R, in), which must stay as it is until the update.
        gradient: of its output (R, out), likewise.
    """
    optimizer.blocks.multiply(layer.weight, gradient, rows)
    if layer.bias is not None:
        torch.sum(gradient, 0, out=layer.bias.grad)


def leaky(rows: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU of rows (R, D) in place; its gradient can be told from the result."""
    return functional.leaky_relu_(rows, SLOPE)


def leaky_back(gradient: torch.Tensor, result: torch.Tensor) -> torch.Tensor:
    """Map the gradient (R, D) of a leaky ReLU's result to that of its input, in place."""
    into: torch.Tensor = torch.ops.aten.leaky_relu_backward.grad_input(
        gradient, result, SLOPE, True, grad_input=gradient
    )
    return into
