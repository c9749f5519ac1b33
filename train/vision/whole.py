"""A vision transformer that is trained itself, all of it or its last blocks, on pixels as rows."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zscr.data.collection import Collection
from zscr.errors import ConfigError
from zscr.train.encoders.raw import raw_pixels
from zscr.train.pretrained.scaled import Scaled
from zscr.train.vision.folder import fed
from zscr.train.vision.tower import States
from zscr.train.vision.transformer import Transformer


class Whole:
    """A `Backbone` whose rows are pixels (3, S, S) of 8 bits."""

    def __init__(self, transformer: Transformer, blocks: int | None = None) -> None:
        """Choose what is trained.

        Args:
            transformer: the pretrained network.
            blocks: how many of its last blocks are trained, with the norm behind them; None for
                all of it.

        Raises:
            ConfigError: it has not so many blocks.
        """
        self.transformer, self.blocks = transformer, blocks
        self.name, self.sha256 = transformer.name, transformer.sha256
        known = len(_blocks(transformer.model))
        if blocks is not None and not 0 <= blocks <= known:
            raise ConfigError(f"{self.name} has {known} blocks, so not {blocks} can be trained")

    def encoder(
        self, *, sketch: bool = False, view: str = "", collection: Collection | None = None
    ) -> Path:
        """Return the folder of the encoder that only prepares pixels; see `Backbone`."""
        return raw_pixels(fed(self.transformer.spec, sketch=sketch, view=view))

    def tower(self) -> nn.Module:
        """Return a copy of the network, ready to be trained."""
        return Patches(self.transformer, self.blocks)


class Patches(nn.Module):
    """A `VisionTower` of pixels (B, 3, S, S) of 8 bits: [CLS] and the patches, after the norm."""

    def __init__(self, transformer: Transformer, blocks: int | None = None) -> None:
        super().__init__()
        self.width, self.side = transformer.width, transformer.side
        self.scaled = Scaled(transformer.spec["preprocess"])
        self.model: Any = copy.deepcopy(transformer.model)
        self.model.requires_grad_(blocks is None)
        for part in () if blocks is None else self._last(blocks):
            part.requires_grad_(True)

    def forward(self, rows: torch.Tensor) -> States:
        """Map pixels -> states; registers between [CLS] and the patches are left out."""
        states = self.model(pixel_values=self.scaled(rows)).last_hidden_state
        if hasattr(self.model, "post_layernorm"):  # CLIP's states are before its norm
            states = self.model.post_layernorm(states)
        return States(states[:, 0], states[:, -self.side * self.side :])

    def _last(self, blocks: int) -> list[nn.Module]:
        """Return the last blocks, and the norm behind them."""
        every = _blocks(self.model)
        norm = getattr(self.model, "post_layernorm", None) or self.model.layernorm
        return [*every[len(every) - blocks :], norm]


def _blocks(model: Any) -> nn.ModuleList:
    """Return a network's blocks, in order: the one list of modules of its depth."""
    depth = int(model.config.num_hidden_layers)
    lists = (part for part in model.modules() if isinstance(part, nn.ModuleList))
    return next(part for part in lists if len(part) == depth)
