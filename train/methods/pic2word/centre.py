"""What is taken from an embedding before it becomes a word: the mean of its domain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from zscr.train.methods.losses import unit


class Centre(nn.Module):
    """Embeddings less the mean of the domain whose mean is nearest, scaled to a mean square of 1.

    A pseudo-word of a sketch otherwise says "sketch", too, and "a photo of *" finds sketches. A
    query does not say of which domain its image is: the nearest of the G means tells.
    """

    means: torch.Tensor

    def __init__(self, dim: int, domains: int) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(domains, dim))

    def fit(self, groups: Sequence[torch.Tensor]) -> None:
        """Take the embeddings (N, D) of each domain."""
        self.means.copy_(torch.stack([unit(rows).mean(0) for rows in groups]))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map (B, D) -> (B, D)."""
        rows = unit(rows)
        # |x - m|² less |x|²; the sum over one-hot rows is a look-up that every runtime has
        away = self.means.square().sum(1) - 2 * rows @ self.means.T
        nearest = (away <= away.amin(1, keepdim=True)).to(rows.dtype)
        centred: torch.Tensor = unit(rows - nearest @ self.means) * rows.shape[1] ** 0.5
        return centred
