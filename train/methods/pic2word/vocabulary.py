"""A mapper that begins as a closed form, at the words that the text tower knows itself.

For a word w of the tokenizer's whole words let e(w) be the word vector that the tower looks up,
and z(w) the unit embedding of "a photo of w", centred over the words where images are centred. With
Z and E their rows, E centred by the mean word m, ridge regression

    R = (Z'Z + λI)⁻¹ Z'E

leads back from embeddings to words. An image's embedding lies where that of its sentence does, so
m + g · R'x is a word for it. The gain g makes up for what λ and the gap between the two shrink.
Words of unseen and of validation names take no part, or the mapper would have read the test.
"""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.language.mappers import Im2Text
from zscr.train.methods.losses import unit


class Vocabulary(nn.Module):
    """m + g · R'x, and a network that begins at zero: rows (B, D) -> (B, K · W)."""

    mean: torch.Tensor
    ridge: torch.Tensor

    def __init__(self, dim: int, width: int, words: int, middle: int, dropout: float) -> None:
        super().__init__()
        self.words = words
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("ridge", torch.zeros(dim, width))
        self.network = Im2Text(dim, words * width, middle, dropout=dropout)
        nn.init.zeros_(self.network.fc_out.weight)
        nn.init.zeros_(self.network.fc_out.bias)

    @torch.no_grad()
    def fit(self, said: torch.Tensor, vectors: torch.Tensor, penalty: float, gain: float) -> None:
        """Fit the closed form.

        Args:
            said: (N, D) unit embeddings of sentences; vectors: (N, W) of the words in them.
            penalty: λ; gain: g.
        """
        self.mean.copy_(vectors.mean(0))
        z, e = said.double(), (vectors - self.mean).double()
        gram = z.T @ z + penalty * torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
        self.ridge.copy_(gain * torch.linalg.solve(gram, z.T @ e))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map embeddings of any length; each of the K words begins at the same."""
        closed = self.mean + unit(rows) @ self.ridge
        whole = unit(rows) * rows.shape[1] ** 0.5
        words: torch.Tensor = self.network(whole) + closed.repeat(1, self.words)
        return words
