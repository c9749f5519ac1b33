"""Fusion: what cross-attention makes of pairs of a sketch and an image before they are compared."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import nn

from zscr.train.methods.alignment.cross_attention import CrossAttention
from zscr.train.methods.alignment.tuples import Tuples

HEADS = 8  # ZSE-SBIR; of CMAAN's nothing is known
DROPOUT = 0.1  # ZSE-SBIR

Pairing = Literal["anchor", "own"]
PAIRINGS: tuple[Pairing, ...] = ("anchor", "own")


def hidden_of(width: int) -> int:
    """Return the width of the feed-forward network beside tokens of `width`: 1,024 to ViT's 768."""
    return width * 4 // 3


class Pairs(NamedTuple):
    """States of P sketches and of the P images that they are compared with: (P, 1 + side², W).

    Token 0 is the pooled state, from which embeddings are made; the others are a map's places.
    """

    sketches: torch.Tensor
    images: torch.Tensor


class Words(NamedTuple):
    """Tokens (C, L, W) of a text of each class, and whether there is one (C, L)."""

    tokens: torch.Tensor
    there: torch.Tensor

    def of(self, classes: torch.Tensor) -> Words:
        """Return the texts of class numbers (P,)."""
        return Words(self.tokens[classes], self.there[classes])


class TextFusion(nn.Module):
    """Sketches and images each read a text, by weights of their own (CMAAN as section 5 has it).

    q = visual and k = v = text keeps the visual tokens' number, so that residuals are theirs.

    A tuple's other image reads the text of the `anchor`'s class as all of the tuple does, or that
    of its `own`. With its own, a text tells it from the anchor, and nothing need be seen.
    """

    def __init__(self, width: int, text_width: int, hidden: int, pairing: Pairing) -> None:
        """Make it for visual tokens of `width` and a frozen encoder's of `text_width`."""
        super().__init__()
        self.pairing = pairing
        self.enter = nn.Linear(text_width, width)
        self.sketches = CrossAttention(width, HEADS, hidden, DROPOUT)
        self.images = CrossAttention(width, HEADS, hidden, DROPOUT)

    def forward(self, pairs: Pairs, tuples: Tuples, words: Words) -> Pairs:
        """Let both pairs of each tuple read texts, of C classes that its numbers are of."""
        entered = Words(self.enter(words.tokens), words.there)
        other = tuples.own if self.pairing == "anchor" else tuples.other
        of_sketches = entered.of(torch.cat([tuples.own, tuples.own]))
        of_images = entered.of(torch.cat([tuples.own, other]))
        return Pairs(
            self.sketches(pairs.sketches, *of_sketches), self.images(pairs.images, *of_images)
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

    def forward(self, pairs: Pairs, _tuples: Tuples, _words: Words | None = None) -> Pairs:
        """Let the two sides of each pair attend to each other."""
        return Pairs(
            self.sketches(pairs.sketches, pairs.images), self.images(pairs.images, pairs.sketches)
        )
