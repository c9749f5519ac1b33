"""The relation network: whether a sketch and an image show one class, by their tokens."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from zscr.train.methods.losses import unit

SAME, DIFFERENT = 0.99, 0.01  # targets of ZSE-SBIR: a sigmoid reaches 1 and 0 nowhere
CHANNELS = 512  # ZSE-SBIR
COARSEST = 7  # places a side, of which the network compares each with each
_HIDDEN = 343, 49  # 7³ and 7² (ZSE-SBIR)
_DROPOUT = 0.1


class RelationNetwork(nn.Module):
    """Cosines between the places of two maps, read by a network of two hidden layers.

    A map of 14 or more places a side is halved by a convolution of 2×2; a smaller one keeps its
    places, and the convolution is 1×1. ZSE-SBIR reads its tokens (B, P, W) as maps (B, W, side,
    side) without transposing them, which mixes channels and places; here they are transposed.
    """

    def __init__(self, width: int, side: int, channels: int = CHANNELS) -> None:
        """Make it for maps of `side` places a side and `width` channels."""
        super().__init__()
        self.side = side
        step = 2 if side >= 2 * COARSEST else 1
        self.count = (side // step) ** 2
        self.reduce = nn.Conv2d(width, channels, step, step)
        self.mlp = nn.Sequential(
            *_layer(self.count**2, _HIDDEN[0]), *_layer(*_HIDDEN), nn.Linear(_HIDDEN[1], 1)
        )

    def forward(self, sketches: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Map tokens (B, side², W) of sketches and of images -> logits (B,)."""
        return self.relate(self.places(sketches), self.places(images))

    def places(self, tokens: torch.Tensor) -> torch.Tensor:
        """Map tokens (B, side², W) -> unit rows (B, count, channels) of the map's places."""
        maps = tokens.transpose(1, 2).reshape(-1, tokens.shape[2], self.side, self.side)
        return unit(self.reduce(maps).flatten(2).transpose(1, 2))

    def relate(self, sketches: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        """Return logits (B,) of the places of two maps; one sketch may stand for all B images."""
        cosines = sketches @ images.transpose(1, 2)  # (B, count, count)
        logits: torch.Tensor = self.mlp(cosines.flatten(1)).squeeze(1)
        return logits


def relation_loss(same: torch.Tensor, different: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error of the sigmoids to .99 and .01 (ZSE-SBIR), from logits (B,)."""
    logits = torch.cat([same, different])
    targets = torch.full_like(logits, DIFFERENT)
    targets[: len(same)] = SAME
    return functional.mse_loss(logits.sigmoid(), targets)


def _layer(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Linear(before, after), nn.ReLU(), nn.Dropout(_DROPOUT)
