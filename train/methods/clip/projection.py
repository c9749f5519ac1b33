"""The trained part behind a frozen encoder: scaled features, mapped linearly."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.methods.scaling import Scaling


class Projection(nn.Module):
    """Map a frozen encoder's features (B, D) -> (B, E), of any length.

    In training a share of the features is dropped, which keeps a map of few pairs from resting on
    any single one.
    """

    def __init__(self, dim: int, embed_dim: int, *, rooted: bool, dropout: float) -> None:
        super().__init__()
        self.scaling = Scaling(dim, rooted=rooted)
        self.dropout = nn.Dropout(dropout)
        self.map = nn.Linear(dim, embed_dim, bias=False)

    @torch.no_grad()
    def begin(self, weights: torch.Tensor, rows: torch.Tensor) -> None:
        """Take a map of scaled features (D, K), K at most E: axes beyond K are 0.

        Cosines know no length; features `rows` (N, D) get a mean length of 1 all the same, so that
        a rate of learning means the same for any map.
        """
        length = (self.scaling(rows) @ weights).norm(dim=1).mean()
        self.map.weight.zero_()[: weights.shape[1]] = weights.T / length

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map (B, D) -> (B, E)."""
        mapped: torch.Tensor = self.map(self.dropout(self.scaling(rows)))
        return mapped
