"""Cross-attention: tokens of one side read those of another."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn


class CrossAttention(nn.Module):
    """One post-norm layer, after Vaswani et al. 2017.

    X₁ = LN(X + MHA(q = X, k = Y, v)), CA(X; Y) = LN(X₁ + FFN(X₁)).

    With v = Y a token of X adds up what it finds in Y. ZSE-SBIR's released code has v = X: a token
    of X adds up tokens of X, weighed by where Y's tokens stand. It needs as many tokens in Y as in
    X, which a text does not have.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        hidden: int,
        dropout: float,
        values: Literal["other", "own"] = "other",
    ) -> None:
        """Make a layer for tokens of `width`; `hidden` is that of its feed-forward network."""
        super().__init__()
        self.values = values
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.after_attention, self.after_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width)
        )

    def forward(
        self, own: torch.Tensor, other: torch.Tensor, there: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Map own tokens (B, L, W) and others (B, M, W) -> (B, L, W).

        Args:
            own, other: the tokens; M = L where values are own.
            there: (B, M) bool, false where the other side has no token; each row has one. None
                where all have.
        """
        values = own if self.values == "own" else other
        absent = None if there is None else ~there
        read, _ = self.attention(own, other, values, key_padding_mask=absent, need_weights=False)
        own = self.after_attention(own + read)
        added: torch.Tensor = self.after_mlp(own + self.mlp(own))
        return added
