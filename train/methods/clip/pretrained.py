"""Towers that others trained, as towers that take raw rows and may be trained further."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zscr.train.encoders.raw import NO_TOKEN
from zscr.train.pretrained.dual import DualEncoder
from zscr.train.pretrained.folder import open_dual
from zscr.train.pretrained.scaled import Scaled


@dataclass(frozen=True)
class Initial:
    """A pretrained dual encoder's towers, each with its own copy of the weights that it uses."""

    image: nn.Module
    text: nn.Module
    dim: int
    logit_scale: float


@lru_cache(maxsize=1)
def pretrained(folder: str) -> DualEncoder:
    """Load a checkpoint; see `open_dual`. The last one is kept: needs and method both ask."""
    return open_dual(Path(folder))


def initial_towers(folder: str) -> Initial:
    """Return the towers of a checkpoint's folder.

    Raises:
        InputError: it holds no dual encoder of a known family.
    """
    dual = pretrained(folder)
    image = Pixels(_without(dual.image.module, "text_model"), dual.image.spec["preprocess"])
    text = Ids(_without(dual.text.module, "vision_model"), dual.text.spec["names"])
    with torch.no_grad():
        side = dual.image.spec["preprocess"]["image_size"]
        dim = image(torch.zeros(1, 3, side, side, dtype=torch.uint8)).shape[1]
    return Initial(image, text, dim, dual.logit_scale)


def _without(module: nn.Module, part: str) -> nn.Module:
    """Return a copy of one tower's module without the model's other tower, which it never calls."""
    own: Any = copy.deepcopy(module)
    setattr(own.model, part, nn.Identity())
    tower: nn.Module = own
    return tower


class Pixels(nn.Module):
    """Scale pixels (B, 3, S, S) of 8 bits as the checkpoint's processor does, then embed them."""

    def __init__(self, tower: nn.Module, preprocess: Mapping[str, Any]) -> None:
        super().__init__()
        self.tower, self.scaled = tower, Scaled(preprocess)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Map -> (B, D)."""
        rows: torch.Tensor = self.tower(self.scaled(pixels))
        return rows


class Ids(nn.Module):
    """Embed token ids (B, L), where -1 is no token, by a tower of ids and perhaps a mask."""

    def __init__(self, tower: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.tower, self.masked = tower, len(names) > 1

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map -> (B, D)."""
        ids, mask = rows.clamp_min(0).long(), (rows != NO_TOKEN).long()
        found: torch.Tensor = self.tower(ids, mask) if self.masked else self.tower(ids)
        return found
