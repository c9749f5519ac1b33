"""A method that is never trained, which the tests install as the plug-in `pairs`.

Sketches and images are embedded by one map with opposite signs, so each sketch is far from what it
asks for. Their tokens are the two halves of what the encoder makes of them; the pair compares
these, and the sign of its scale says whether that helps or harms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from zscr.train.methods.contract import Head, Need, Port
from zscr.train.methods.losses import unit
from zscr.train.tables import TensorSplit

TOKENS = 2


@dataclass(frozen=True)
class Config:
    """The settings; `scale` multiplies the logit."""

    scale: float = 20.0
    features: bool = False  # whether the gallery gives a feature, too
    rounds: int = 0
    validate_every: int = 1
    select_by: str = "mAP"
    precision: str = "fp32"
    seed: int = 3


def needs(config: Config) -> tuple[Need, ...]:
    """Return what asks and what is found."""
    return Need("image"), Need("sketch")


class Embed(nn.Module):
    """A map, times a sign -> unit rows (B, E)."""

    def __init__(self, map: nn.Module, sign: float) -> None:
        super().__init__()
        self.map, self.sign = map, sign

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return unit(self.sign * self.map(rows))


class Halves(nn.Module):
    """Rows (B, D) -> unit tokens (B, 2, D / 2)."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        tokens = rows.reshape(-1, TOKENS, rows.shape[1] // TOKENS)
        return nn.functional.normalize(tokens - 0.1, dim=2)


class Unit(nn.Module):
    forward = staticmethod(unit)


class Compare(nn.Module):
    """The sum of the cosines of tokens at one place, scaled: (1 or B, L, W), (B, L, W) -> (B,)."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, asked: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        return self.scale * (asked * found).sum((1, 2))


class Method(nn.Module):
    """See `zscr.train.methods.contract.Method`."""

    def __init__(
        self, config: Config, shapes: Mapping[str, tuple[int, ...]], device: torch.device | str
    ) -> None:
        super().__init__()
        self.config, self.device = config, torch.device(device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.sampling: dict[str, torch.Tensor] = {}
        self.chosen: dict[str, Any] = {}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.map = nn.Linear(*shapes["image"], 4, bias=False)
        nn.init.normal_(self.map.weight, generator=self.noise)
        self.compare = Compare(config.scale)

    def bind(self, seen: TensorSplit, val: TensorSplit | None) -> None:
        pass

    def start(self) -> None:
        pass

    def train_round(self) -> dict[str, torch.Tensor]:
        return {"loss/none": torch.zeros(())}

    def heads(self) -> dict[str, Head]:
        feature = Unit() if self.config.features else None
        return {
            "sketch": Head(Embed(self.map, -1), (Port("sketch"),), "query", tokens=Halves()),
            "gallery": Head(Embed(self.map, 1), (Port("image"),), "gallery", feature, Halves()),
            "relation": Head(self.compare, (Port("sketch"), Port("gallery")), "pair"),
        }
