"""A text tower that is trained from scratch: a causal transformer, read at the end of the text."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.encoders.raw import NO_TOKEN
from zscr.train.methods.blocks import transformer


class TextTower(nn.Module):
    """Map token ids (B, L), with -1 behind the text -> (B, E), of any length.

    As in CLIP no token sees those behind it, so padding changes nothing, and the last token, which
    has seen all, stands for the text.
    """

    def __init__(
        self, vocabulary: int, length: int, width: int, layers: int, embed_dim: int
    ) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, width)
        self.places = nn.Parameter(torch.randn(1, length, width) * 0.01)
        nn.init.normal_(self.words.weight, std=0.02)
        self.blocks = transformer(width, layers, causal=True)
        self.project = nn.Linear(width, embed_dim, bias=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Embed texts."""
        states = self.blocks(self.words(ids.clamp_min(0).long()) + self.places)
        last = (ids != NO_TOKEN).sum(1, dtype=torch.int64) - 1
        places = torch.arange(ids.shape[1], device=ids.device)
        read = (places == last[:, None]).to(states.dtype)  # (B, L): 1 at the last token
        embedded: torch.Tensor = self.project((states * read[:, :, None]).sum(1))
        return embedded
