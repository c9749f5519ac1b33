"""A small transformer on a frozen tower's tokens: what trains where the network below cannot."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.methods.blocks import transformer
from zscr.train.vision.tower import States, VisionTower


class TokenTransformer(nn.Module):
    """A `VisionTower` that adds to another one's states what a transformer makes of its tokens.

    What it adds begins at 0 (as an adapter: Houlsby et al., ICML 2019), so that training begins at
    the states below, and at whatever closed form is fitted to them. A class token is added to the
    pooled state, and each place's to its own.

    Attributes:
        width, side: of the tower below.
    """

    def __init__(self, below: VisionTower, inner: int, layers: int, dropout: float) -> None:
        """Make it, of width `inner` inside, for a tower that stays frozen."""
        super().__init__()
        self.below, self.width, self.side = below, below.width, below.side
        self.enter = nn.Sequential(nn.LayerNorm(self.width), nn.Linear(self.width, inner))
        self.dropout = nn.Dropout(dropout)
        self.leave = nn.Linear(inner, self.width)
        self.first = nn.Parameter(torch.randn(1, 1, inner) * 0.02)
        self.places = nn.Parameter(torch.zeros(1, self.side**2, inner))
        self.blocks = transformer(inner, layers, causal=False)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, rows: torch.Tensor) -> States:
        """Map rows (B, ...) of the tower below to states."""
        with torch.no_grad():
            given = self.below(rows)
        tokens = self.dropout(self.enter(given.tokens)) + self.places
        first = self.first.expand(tokens.shape[0], -1, -1)
        added = self.leave(self.blocks(torch.cat([first, tokens], 1)))
        return States(given.pooled + added[:, 0], given.tokens + added[:, 1:])
