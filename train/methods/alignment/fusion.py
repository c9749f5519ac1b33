"""Fusion: what cross-attention makes of pairs of a sketch and an image before they are compared."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from zscr.train.methods.alignment.cross_attention import CrossAttention

HEADS = 8  # ZSE-SBIR; of CMAAN's nothing is known
DROPOUT = 0.1  # ZSE-SBIR


class Pairs(NamedTuple):
    """States of P sketches and of the P images that they are compared with: (P, 1 + side², W).

    Token 0 is the pooled state, from which embeddings are made; the others are a map's places.
    """

    sketches: torch.Tensor
    images: torch.Tensor


class Words(NamedTuple):
    """Tokens (P, L, W) of a text for each of P images, and whether there is one (P, L)."""

    tokens: torch.Tensor
    there: torch.Tensor


class TextFusion(nn.Module):
    """Sketches and images each read a text, by weights of their own (CMAAN as section 5 has it).

    q = visual and k = v = text keeps the visual tokens' number, so that residuals are theirs.
    """

    def __init__(self, width: int, text_width: int, hidden: int) -> None:
        """Make it for visual tokens of `width` and a frozen encoder's of `text_width`."""
        super().__init__()
        self.enter = nn.Linear(text_width, width)
        self.sketches = CrossAttention(width, HEADS, hidden, DROPOUT)
        self.images = CrossAttention(width, HEADS, hidden, DROPOUT)

    def forward(self, pairs: Pairs, of_sketches: Words, of_images: Words) -> Pairs:
        """Let each side read its texts."""
        return Pairs(
            self.sketches(pairs.sketches, self.enter(of_sketches.tokens), of_sketches.there),
            self.images(pairs.images, self.enter(of_images.tokens), of_images.there),
        )


class VisualFusion(nn.Module):
    """Sketches and images attend to each other, by weights of their own (ZSE-SBIR).

    As in its released code q and v are own and k is the other's; its paper draws q as the other's.
    """

    def __init__(self, width: int, hidden: int) -> None:
        """Make it for visual tokens of `width`."""
        super().__init__()
        self.sketches = CrossAttention(width, HEADS, hidden, DROPOUT, values="own")
        self.images = CrossAttention(width, HEADS, hidden, DROPOUT, values="own")

    def forward(self, pairs: Pairs) -> Pairs:
        """Let the two sides of each pair attend to each other."""
        return Pairs(
            self.sketches(pairs.sketches, pairs.images), self.images(pairs.images, pairs.sketches)
        )
