"""A vision transformer that is trained itself, on pixels as rows."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zscr.train.encoders.raw import raw_pixels
from zscr.train.pretrained.scaled import Scaled
from zscr.train.vision.folder import fed
from zscr.train.vision.tower import States
from zscr.train.vision.transformer import Transformer, last_states


class Whole:
    """A `Backbone` whose rows are pixels (3, S, S) of 8 bits."""

    def __init__(self, transformer: Transformer) -> None:
        self.transformer = transformer
        self.name, self.sha256 = transformer.name, transformer.sha256

    def encoder(self, *, sketch: bool = False, view: str = "") -> Path:
        """Return the folder of the encoder that only prepares pixels; see `Backbone`."""
        return raw_pixels(fed(self.transformer.spec, sketch=sketch, view=view))

    def tower(self) -> nn.Module:
        """Return a copy of the network, ready to be trained."""
        return Patches(self.transformer)


class Patches(nn.Module):
    """A `VisionTower` of pixels (B, 3, S, S) of 8 bits: [CLS] and the patches, after the norm."""

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.width, self.side = transformer.width, transformer.side
        self.scaled = Scaled(transformer.spec["preprocess"])
        self.model: Any = copy.deepcopy(transformer.model).requires_grad_(True)

    def forward(self, rows: torch.Tensor) -> States:
        """Map pixels -> states; registers between [CLS] and the patches are left out."""
        states = last_states(self.model, self.scaled(rows))
        return States(states[:, 0], states[:, -self.side * self.side :])
