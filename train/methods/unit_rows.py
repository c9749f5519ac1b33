"""What makes a head of a tower: its rows, scaled to length 1."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.methods.losses import unit


class Unit(nn.Module):
    """What a tower gives, scaled to length 1: rows (B, …) -> (B, E)."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Embed rows of a port."""
        return unit(self.tower(rows))
