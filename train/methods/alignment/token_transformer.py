"""A small transformer on frozen tokens of images: what trains where the network below cannot."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.methods.blocks import transformer
from zscr.train.vision.tower import States


class TokenTransformer(nn.Module):
    """Map frozen tokens (B, side², W) to states of `width`, by a class token and learned places.

    Tokens of a CNN are roots of activations that are zero or positive; they are centred and turned
    to the principal axes of the tokens that it is fitted to, half whitened: axis i is scaled by
    λᵢ^-¼, λ its variance, which evens out axes without making the small ones as loud as the large.
    """

    mean: torch.Tensor
    axes: torch.Tensor

    def __init__(self, given: tuple[int, int], width: int, layers: int, dropout: float) -> None:
        """Make it for tokens of width and side `given`."""
        super().__init__()
        given_width, self.side = given
        self.width = width
        self.register_buffer("mean", torch.zeros(given_width))
        axes = min(given_width, 2 * width)
        self.register_buffer("axes", torch.eye(given_width)[:, :axes].clone())
        self.enter, self.dropout = nn.Linear(axes, width), nn.Dropout(dropout)
        self.classes = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.positions = nn.Parameter(torch.zeros(1, self.side**2, width))
        self.blocks = transformer(width, layers, causal=False)

    @torch.no_grad()
    def fit(self, rows: torch.Tensor) -> None:
        """Take centre and axes of tokens (N, side², W) of one domain."""
        given = _root(rows).flatten(0, 1)
        self.mean.copy_(given.mean(0))
        centred = given - self.mean
        variances, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
        kept = self.axes.shape[1]
        variances = variances.flip(0)[:kept].clamp(min=1e-12)
        self.axes.copy_(axes.flip(1)[:, :kept] * variances**-0.25)
        self.axes /= (centred @ self.axes).square().mean().sqrt()

    def forward(self, rows: torch.Tensor) -> States:
        """Map tokens (B, side², W)."""
        tokens = self.dropout(self.enter((_root(rows) - self.mean) @ self.axes)) + self.positions
        first = self.classes.expand(tokens.shape[0], -1, -1)
        states = self.blocks(torch.cat([first, tokens], 1))
        return States(states[:, 0], states[:, 1:])


def _root(rows: torch.Tensor) -> torch.Tensor:
    """Return roots by sign, which even out the few large activations of a CNN."""
    rows = rows.float()
    return rows.sign() * rows.abs().sqrt()
