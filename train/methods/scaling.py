"""Scaling of features: fixed maps in closed form, fitted on what is trained on."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.methods.losses import unit


class Scaling(nn.Module):
    """Centred rows of mean length 1; `rooted` ones first get the root by sign, and unit length.

    The root evens out the few large activations of pooled CNN features (the Hellinger kernel of
    Arandjelović and Zisserman, CVPR 2012). Where the rows are learnt, a `floor` below the root
    bounds its slope, which is infinite at 0.
    """

    mean: torch.Tensor
    length: torch.Tensor

    def __init__(self, dim: int, *, rooted: bool, floor: float = 0.0) -> None:
        super().__init__()
        self.rooted, self.floor = rooted, floor
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("length", torch.ones(()))

    def fit(self, rows: torch.Tensor) -> None:
        """Take mean and mean length of seen rows (N, D)."""
        given = self._given(rows)
        self.mean.copy_(given.mean(0))
        self.length.copy_((given - self.mean).norm(dim=1).mean())

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map (B, D) -> (B, D)."""
        return (self._given(rows) - self.mean) / self.length

    def _given(self, rows: torch.Tensor) -> torch.Tensor:
        return unit(rows.sign() * (rows.abs() + self.floor).sqrt()) if self.rooted else rows
