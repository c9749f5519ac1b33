"""What is deployed: from rows of a domain to its embedding, perhaps with a second encoder's."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.methods.cmaan.projection import Projection


class Embedder(nn.Module):
    """Rows of a domain (B, …) -> unit rows (B, E)."""

    def __init__(self, tower: nn.Module, projection: Projection, domain: str) -> None:
        super().__init__()
        self.tower, self.projection, self.domain = tower, projection, domain

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Embed rows of the table."""
        embedded: torch.Tensor = self.projection(self.domain, self.tower(rows).pooled)
        return embedded


class Fused(nn.Module):
    """Two embedders' rows side by side, so that a cosine is the weighted mean of both cosines.

    With shares a + b = 1 the row (√a x, √b y) is of length 1, and its product with (√a x', √b y')
    is a x·x' + b y·y'.
    """

    def __init__(self, first: nn.Module, second: nn.Module, share: float) -> None:
        """Take the embedders and the share of the second one."""
        super().__init__()
        self.first, self.second = first, second
        self.weights = (1 - share) ** 0.5, share**0.5

    def forward(self, rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Embed the same things as each embedder's encoder makes them."""
        weight, other = self.weights
        return torch.cat([weight * self.first(rows), other * self.second(others)], 1)
