"""Embeddings against texts of their classes, without attention: what text adds by itself."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from zscr.train.methods.alignment.sentences import there_of
from zscr.train.methods.losses import unit
from zscr.train.tables import Tensors, group_means


class Described(nn.Module):
    """Cross-entropy of embeddings, mapped linearly, against a vector of each class's texts.

    A text is the mean of its tokens, a class the mean of its texts less that of all classes, of
    unit length. The map is trained and not deployed.
    """

    def __init__(self, dim: int, width: int) -> None:
        """Make it for embeddings of `dim` and tokens of `width`."""
        super().__init__()
        self.map = nn.Linear(dim, width, bias=False)
        self._classes = torch.zeros(0, width)

    def bind(self, table: Tensors) -> None:
        """Take the token rows (N, L, W) of the texts of the fitted classes."""
        rows = table.rows.float()
        counts = there_of(rows).sum(1, keepdim=True)
        means = group_means(replace(table, rows=rows.sum(1) / counts))
        self._classes = unit(means - means.mean(0))

    def forward(
        self, rows: torch.Tensor, classes: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        """Return the loss of unit rows (B, E) of these classes (B,)."""
        scores = unit(self.map(rows)) @ self._classes.T / temperature
        return functional.cross_entropy(scores, classes)
