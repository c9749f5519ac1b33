"""The transformer of towers that are trained from scratch (Vaswani et al. 2017, norms first)."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

DROPOUT = 0.1


class Block(nn.Module):
    """Self-attention and a network of one hidden layer, each added to what it reads."""

    def __init__(self, width: int, heads: int, *, causal: bool) -> None:
        super().__init__()
        self.heads, self.causal = heads, causal
        self.before_attention, self.before_mlp = nn.LayerNorm(width), nn.LayerNorm(width)
        self.query_key_value, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, L, W) -> (B, L, W); a causal one lets no token see those behind it."""
        x = x + self.dropout(self._attention(self.before_attention(x)))
        added: torch.Tensor = self.dropout(self.mlp(self.before_mlp(x)))
        return x + added

    def _attention(self, x: torch.Tensor) -> torch.Tensor:
        shape = (*x.shape[:2], self.heads, x.shape[2] // self.heads)
        parts = self.query_key_value(x).chunk(3, -1)
        q, k, v = (part.reshape(shape).transpose(1, 2) for part in parts)  # (B, H, L, W/H)
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        found: torch.Tensor = self.out(mixed.transpose(1, 2).reshape(x.shape))
        return found


def transformer(width: int, layers: int, *, causal: bool) -> nn.Sequential:
    """Return blocks with heads of about 64 dimensions, and a norm behind them."""
    heads = next(one for one in range(max(width // 64, 1), 0, -1) if width % one == 0)
    blocks = (Block(width, heads, causal=causal) for _ in range(layers))
    return nn.Sequential(*blocks, nn.LayerNorm(width))
