"""A small transformer on a frozen tower's tokens: what trains where the network below cannot."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.methods.blocks import transformer
from zscr.train.vision.tower import States, VisionTower

_FITTED = 1 << 16  # tokens that axes are fitted to, at most: their sums of squares hardly move


class TokenTransformer(nn.Module):
    """A `VisionTower` that adds to another one's states what a transformer makes of its tokens.

    What it adds begins at 0 (as an adapter: Houlsby et al., ICML 2019), so that training begins at
    the states below, and at whatever closed form is fitted to them. A class token is added to the
    pooled state, and each place's to its own.

    The transformer reads roots by sign, which even out the few large activations of a CNN, on their
    principal axes, half whitened: axis i is scaled by λᵢ^-¼, λ its variance, so that small axes
    are heard, and not as loud as the large ones.

    Attributes:
        width, side: of the tower below.
    """

    mean: torch.Tensor
    axes: torch.Tensor

    def __init__(self, below: VisionTower, inner: int, layers: int, dropout: float) -> None:
        """Make it, of width `inner` inside, for a tower that stays frozen."""
        super().__init__()
        self.below, self.width, self.side = below, below.width, below.side
        kept = min(self.width, 2 * inner)
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("axes", torch.eye(self.width)[:, :kept].clone())
        self.enter, self.dropout = nn.Linear(kept, inner), nn.Dropout(dropout)
        self.leave = nn.Linear(inner, self.width)
        self.first = nn.Parameter(torch.randn(1, 1, inner) * 0.02)
        self.places = nn.Parameter(torch.zeros(1, self.side**2, inner))
        self.blocks = transformer(inner, layers, causal=False)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    @torch.no_grad()
    def fit(self, rows: torch.Tensor) -> None:
        """Take centre and axes of what the transformer reads, from rows (N, ...) of the tower."""
        stride = max(len(rows) * self.side**2 // _FITTED, 1)
        given = _root(self.below(rows[::stride]).tokens).flatten(0, 1)
        self.mean.copy_(given.mean(0))
        centred = given - self.mean
        variances, axes = torch.linalg.eigh(centred.T @ centred / len(centred))
        kept = self.axes.shape[1]
        scales = variances.flip(0)[:kept].clamp(min=1e-12) ** -0.25
        self.axes.copy_(axes.flip(1)[:, :kept] * scales)
        self.axes /= (centred @ self.axes).square().mean().sqrt()

    def forward(self, rows: torch.Tensor) -> States:
        """Map rows (B, ...) of the tower below to states."""
        with torch.no_grad():
            given = self.below(rows)
        read = (_root(given.tokens) - self.mean) @ self.axes
        tokens = self.dropout(self.enter(read)) + self.places
        first = self.first.expand(tokens.shape[0], -1, -1)
        added = self.leave(self.blocks(torch.cat([first, tokens], 1)))
        return States(given.pooled + added[:, 0], given.tokens + added[:, 1:])


def _root(tokens: torch.Tensor) -> torch.Tensor:
    return tokens.sign() * tokens.abs().sqrt()
