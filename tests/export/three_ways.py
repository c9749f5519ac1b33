"""A method that is asked in three ways, which the tests install as the plug-in `three-ways`.

Images are mapped at random, once and for all; texts, texts with images and sketches with images
are trained towards them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from zscr.train.methods.contract import Head, Need, Port
from zscr.train.methods.losses import info_nce, unit
from zscr.train.tables import TensorSplit

PORTS = {"text": ("text",), "composed": ("text", "image"), "strokes": ("sketch", "image")}


@dataclass(frozen=True)
class Config:
    """The settings; `dim` is that of the embeddings."""

    dim: int = 6
    rate: float = 0.01
    rounds: int = 2
    validate_every: int = 1
    select_by: str = "mAP"
    precision: str = "fp32"
    seed: int = 4


def needs(config: Config) -> tuple[Need, ...]:
    """Return three tables, whose rows of one item belong together."""
    return tuple(Need(name, "item") for name in ("image", "text", "sketch"))


class One(nn.Module):
    """A linear map of one row -> unit rows."""

    def __init__(self, dims: tuple[int, ...], out: int) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(dim, out) for dim in dims)

    def forward(self, row: torch.Tensor) -> torch.Tensor:
        return unit(self.maps[0](row))


class Two(One):
    """The sum of the maps of two rows -> unit rows."""

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        return unit(self.maps[0](first) + torch.tanh(self.maps[1](second)))


class Method(nn.Module):
    """A map a head; see `zscr.train.methods.contract.Method`."""

    def __init__(
        self, config: Config, shapes: Mapping[str, tuple[int, ...]], device: torch.device | str
    ) -> None:
        super().__init__()
        self.config, self.device = config, torch.device(device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.sampling: dict[str, torch.Tensor] = {}
        self.chosen: dict[str, Any] = {}
        dims = {name: shape[0] for name, shape in shapes.items()}
        self.asking = nn.ModuleDict(
            {
                name: (One if len(ports) == 1 else Two)(tuple(map(dims.get, ports)), config.dim)
                for name, ports in PORTS.items()
            }
        )
        self.gallery = One((dims["image"],), config.dim)
        self.to(self.device)
        for weights in self.parameters():
            nn.init.normal_(weights, generator=self.noise)
        self.optimizers = {"adam": torch.optim.Adam(self.asking.parameters(), config.rate)}

    def bind(self, seen: TensorSplit, val: TensorSplit) -> None:
        self.seen = seen

    def start(self) -> None:
        pass

    def train_round(self) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            images = self.gallery(self.seen["image"].rows)
        losses = []
        for name, ports in PORTS.items():
            asked = self.asking[name](*(self.seen[port].rows for port in ports))
            losses.append(info_nce(asked, images, 10.0))
        loss: Any = sum(losses)
        self.optimizers["adam"].zero_grad()
        loss.backward()
        self.optimizers["adam"].step()
        return {"loss/nce": loss.detach()}

    def heads(self) -> dict[str, Head]:
        asked = {
            name: Head(self.asking[name], tuple(map(Port, ports)), "query")
            for name, ports in PORTS.items()
        }
        return asked | {"gallery": Head(self.gallery, (Port("image"),), "gallery")}
