"""What an image tower is to a method that trains on its features and tokens."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import nn


class States(NamedTuple):
    """What a tower makes of B images.

    Attributes:
        pooled: (B, W), of which embeddings are made.
        tokens: (B, side · side, W), the places of a square map, row after row.
    """

    pooled: torch.Tensor
    tokens: torch.Tensor


class VisionTower(Protocol):
    """An `nn.Module` from rows of a table to states.

    Attributes:
        width: W of its states; side: of the map that its tokens are of.
    """

    width: int
    side: int

    def __call__(self, rows: torch.Tensor) -> States:
        """Map rows (B, ...), as `Backbone.encoder` makes them, to states."""


class Backbone(Protocol):
    """A pretrained image network, cut where training begins: a frozen encoder, a tower behind it.

    Attributes:
        name: as the user gave it; sha256: of its weights.
    """

    name: str
    sha256: str

    def encoder(self, *, sketch: bool = False, view: str = "") -> Path:
        """Return the folder of the encoder from images to the rows that the tower takes.

        Args:
            sketch: prepare images as sketches.
            view: of `zscr.infer.inputs.views`, such as `flipped`; empty for the images as they are.
        """

    def tower(self) -> nn.Module:
        """Return a fresh `VisionTower` with the pretrained weights."""
