"""A vision transformer below and above a number of its blocks, as modules."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from zscr.train.vision.tower import States
from zscr.train.vision.transformer import Transformer, blocks_of, last_states, norm_of


class Below(nn.Module):
    """Scaled pixels (B, 3, S, S) -> states (B, N, W).

    Those behind the norm are of [CLS] and the patches, row after row; those behind a number of
    blocks are of the registers, too, which the blocks above read.
    """

    def __init__(self, transformer: Transformer, depth: int | None) -> None:
        """Take the first `depth` blocks, or all of them and the norm."""
        super().__init__()
        self.model: Any = copy.deepcopy(transformer.model)
        self.model.set_attn_implementation("eager")  # plain products, which every runtime has
        self.whole, self.patches = depth is None, transformer.side**2
        if depth is not None:
            del blocks_of(self.model)[depth:]
            self.model.layernorm = nn.Identity()  # CLIP's own is not in what it returns

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Compute the states."""
        if not self.whole:
            states: torch.Tensor = self.model(pixel_values=pixels).last_hidden_state
            return states
        states = last_states(self.model, pixels)
        return torch.cat([states[:, :1], states[:, -self.patches :]], 1)


class Above(nn.Module):
    """A `VisionTower` of the states (B, N, W) behind some blocks: the other blocks and the norm."""

    def __init__(self, transformer: Transformer, depth: int) -> None:
        """Take what is behind the first `depth` blocks, all of it to be trained."""
        super().__init__()
        self.width, self.side = transformer.width, transformer.side
        self.blocks = copy.deepcopy(blocks_of(transformer.model)[depth:])
        self.norm = copy.deepcopy(norm_of(transformer.model))
        self.requires_grad_(True)

    def forward(self, rows: torch.Tensor) -> States:
        """Map states of 16 bits -> states behind the norm."""
        states = rows.float()
        for block in self.blocks:
            states = block(states, None)  # no place is masked
        states = self.norm(states)
        return States(states[:, 0], states[:, -self.side * self.side :])


class Led(nn.Module):
    """A `VisionTower` of states (B, 1 + P, W): the first is pooled, the others are the tokens."""

    def __init__(self, transformer: Transformer) -> None:
        super().__init__()
        self.width, self.side = transformer.width, transformer.side

    def forward(self, rows: torch.Tensor) -> States:
        """Map states of 16 bits -> states."""
        states = rows.float()
        return States(states[:, 0], states[:, 1:])
