"""An image tower that is trained from scratch: a vision transformer behind a few convolutions."""

from __future__ import annotations

import math

import torch
from torch import nn

from zscr.train.encoders.cnn import augment
from zscr.train.methods.blocks import transformer
from zscr.train.methods.clip.config import STRIDE

_GROUPS = 8


class ImageTower(nn.Module):
    """Map pixels (B, 3, S, S) of 8 bits -> (B, E), of any length.

    Convolutions instead of patches cut from the image (Xiao et al., NeurIPS 2021) learn from few
    images what a plain vision transformer needs millions for. Norms are of groups, not of batches:
    an embedding must not depend on what else is encoded with it, be it for chunks or for ranks.
    """

    def __init__(self, size: int, width: int, layers: int, embed_dim: int) -> None:
        super().__init__()
        widths = (width // 8, width // 4, width // 2, width)
        steps = zip((3, *widths[:-1]), widths, strict=True)
        self.stem = nn.Sequential(*(_convolution(*step) for step in steps))
        self.places = nn.Parameter(torch.randn(1, (size // STRIDE) ** 2, width) * 0.02)
        self.blocks = transformer(width, layers, causal=False)
        self.project = nn.Linear(width, embed_dim, bias=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Embed images; in training each is flipped, shifted and rescaled a little."""
        scaled = pixels.float() / 127.5 - 1
        if self.training:
            scaled = augment(scaled)
        tokens = self.stem(scaled).flatten(2).transpose(1, 2)  # (B, L, W)
        states = self.blocks(tokens + self.places)
        embedded: torch.Tensor = self.project(states.mean(1))
        return embedded


def _convolution(before: int, after: int) -> nn.Sequential:
    """Halve the sides."""
    conv = nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False)
    return nn.Sequential(conv, nn.GroupNorm(math.gcd(_GROUPS, after), after), nn.GELU())
