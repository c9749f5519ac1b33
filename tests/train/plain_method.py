"""A method as small as it can be, which the tests install as the plug-in `plain`.

Its settings say which tables it needs. `CALLS` notes what the loop calls and the state that it
finds then; `BEFORE` holds what a test wants done at the beginning of a round, by its number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from zscr.train.methods.contract import Head, Need, Port
from zscr.train.methods.losses import info_nce, unit
from zscr.train.methods.settings import check_settings
from zscr.train.tables import TensorSplit, draw

CALLS: list[tuple[str, dict[str, Any]]] = []
BEFORE: dict[int, Callable[[], object]] = {}
DIM = 8


@dataclass(frozen=True)
class Config:
    """The settings; `asks` is the table whose rows ask, `per` what its groups are."""

    asks: str = "text"
    per: str = "class"
    composed: bool = False  # whether an image and a text may ask together, too
    least: int = 2  # images a group
    rate: float = 0.01
    rounds: int = 3
    validate_every: int = 1
    select_by: str = "mAP"
    precision: str = "fp32"
    seed: int = 7

    def __post_init__(self) -> None:
        check_settings(self, {"asks": ("text", "sketch"), "per": ("class", "item", "image")})


def needs(config: Config) -> tuple[Need, ...]:
    """Return the gallery's table and the one that asks."""
    return Need("image", config.per, config.least), Need(config.asks, config.per)


class Unit(nn.Module):
    """A map whose rows are made unit: (B, D) -> (B, E)."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return unit(self.part(rows))


class Both(nn.Module):
    """Adds what two maps make of an image and a text -> unit rows (B, E)."""

    def __init__(self, image: nn.Module, text: nn.Module, weight: float) -> None:
        super().__init__()
        self.image, self.text, self.weight = image, text, weight

    def forward(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        return unit(self.image(image) + self.weight * self.text(text))


class Method(nn.Module):
    """One linear map a side, trained by InfoNCE."""

    def __init__(self, config: Config, shapes: dict[str, tuple[int, ...]], device: Any) -> None:
        super().__init__()
        self.config, self.device = config, torch.device(device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.asking = nn.Linear(*shapes[config.asks], DIM, bias=False, device=device)
        self.gallery = nn.Linear(*shapes["image"], DIM, bias=False, device=device)
        for weights in self.parameters():
            nn.init.normal_(weights, generator=self.noise)
        self.sampling: dict[str, torch.Tensor] = {}
        self.chosen: dict[str, Any] = {}
        self.optimizers = {"adam": torch.optim.Adam(self.parameters(), config.rate)}

    def bind(self, seen: TensorSplit, val: TensorSplit | None) -> None:
        self.seen = seen
        self._note("bind")

    def start(self) -> None:
        self.sampling = {"rounds": torch.zeros((), dtype=torch.int64)}
        self._note("start")

    def train_round(self) -> dict[str, torch.Tensor]:
        number = int(self.sampling["rounds"]) + 1
        self._note(f"round {number}")
        BEFORE.get(number, lambda: None)()
        images, asked = (self._rows(name) for name in ("image", self.config.asks))
        loss = info_nce(self.asking(asked), self.gallery(images), 10.0)
        self.optimizers["adam"].zero_grad()
        loss.backward()
        self.optimizers["adam"].step()
        self.sampling = {"rounds": torch.tensor(number)}
        return {"loss/nce": loss.detach()}

    def heads(self, *, doubled: bool = False, weight: float = 1.0) -> dict[str, Head]:
        """Return the heads; `weight` is the text's beside an image's."""
        asking = nn.Sequential(nn.Dropout(0.5), self.asking)  # which only training has
        asks, image = Port(self.config.asks), Port("image")
        found = {
            asks.name: Head(Unit(asking), (asks,), "query"),
            "gallery": Head(Unit(self.gallery), (image,), "gallery"),
        }
        if self.config.composed:
            both = Both(self.gallery, asking, weight * (2 if doubled else 1))
            found["composed"] = Head(both, (image, asks), "query")
        return found

    def _rows(self, name: str) -> torch.Tensor:
        """Draw one row of each group."""
        table, groups = self.seen[name], torch.arange(len(self.seen.groups))
        return table.rows[draw(table.starts, groups, self.noise, torch.float64)]

    def _note(self, what: str) -> None:
        state = {"noise": self.noise.get_state(), "sampling": dict(self.sampling)}
        state |= {"asking": self.asking.weight.detach().clone()}
        state |= {"steps": len(self.optimizers["adam"].state)}
        state |= {"tables": {name: t.rows.shape for name, t in self.seen.tables.items()}}
        CALLS.append((what, state))
