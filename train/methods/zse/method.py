"""`zse`: sketches and images attend to each other in training, and are retrieved without that.

After ZSE-SBIR (Lin et al., AAAI 2023) as its code was released. Of that is kept: one tower for both
domains, attention whose queries and values are own and whose keys are the other's (the paper draws
it otherwise), triplets and relations of what was fused, and tuples. Otherwise: maps are transposed
before the relation network reads them, the first file of each class is drawn too, the weights are
chosen on validation classes (`select_on_test` as released), and a tower of another width than
`width` is followed by a linear map to it, which is deployed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zscr.data.collection import Collection
from zscr.train.methods import contract
from zscr.train.methods.alignment.alignment import Alignment, Side
from zscr.train.methods.alignment.fusion import VisualFusion, hidden_of
from zscr.train.methods.alignment.towers import make_tower, map_of, pinned
from zscr.train.methods.alignment.tuples import Tuples, draw_tuples, require_others
from zscr.train.methods.contract import Head, Need, Port
from zscr.train.methods.losses import mean_losses
from zscr.train.methods.registry import Shapes
from zscr.train.methods.seeded import draw_seeds, seeded
from zscr.train.methods.unit_rows import Unit
from zscr.train.methods.zse.config import Config
from zscr.train.tables import TensorSplit, draw
from zscr.train.vision.tower import Backbone, States

__all__ = ["Config", "Method", "needs", "settled"]

SKETCH, IMAGE = "sketch", "image"


def needs(config: Config) -> tuple[Need, ...]:
    """Return the tables: sketches and images of classes."""

    def sketches(_: Collection) -> Path:
        return _backbone(config).encoder(sketch=True)

    def images(_: Collection) -> Path:
        return _backbone(config).encoder()

    return Need(SKETCH, encoder=sketches), Need(IMAGE, encoder=images)


def settled(config: Config, collection: Collection) -> Config:
    """Return the settings with the hash of the pretrained network."""
    return replace(config, backbone_sha256=_backbone(config).sha256)


def _backbone(config: Config) -> Backbone:
    return pinned(config.backbone, config.tower, config.backbone_sha256, config.cut)


class Embedder(nn.Module):
    """Rows (B, …) -> pooled states (B, E) at the width that is fused."""

    def __init__(self, tower: nn.Module, enter: nn.Module) -> None:
        super().__init__()
        self.tower, self.enter = tower, enter

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Embed rows of either domain."""
        embedded: torch.Tensor = self.enter(self.tower(rows).pooled)
        return embedded


class Method(nn.Module):
    """The trainable model. See `zscr.train.methods.contract.Method` for the contract."""

    def __init__(self, config: Config, shapes: Shapes, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.config, self.device = config, torch.device(device)
        with torch.random.fork_rng([]):
            torch.manual_seed(config.seed)
            inner = (config.width, config.layers, config.dropout)
            self.tower = make_tower(_backbone(config), config.tower, inner)
            fusion = VisualFusion(config.width, hidden_of(config.width))
            self.alignment = Alignment(config, map_of(self.tower), config.width, fusion)
        self.to(self.device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.sampling: dict[str, torch.Tensor] = {}
        self.chosen: dict[str, Any] = {}
        learnt = [one for one in self.parameters() if one.requires_grad]
        adamw = torch.optim.AdamW(learnt, config.lr, weight_decay=config.weight_decay)
        self.optimizers: dict[str, torch.optim.Optimizer] = {"adamw": adamw}

    def bind(self, seen: TensorSplit, val: TensorSplit | None) -> None:
        """Take the tables of the seen classes; the validation classes choose the rounds alone."""
        self._sketches, self._images = seen[SKETCH], seen[IMAGE]
        require_others(seen.groups)

    def start(self) -> None:
        """Begin at the pretrained tower; nothing is fitted."""

    def train_round(self) -> dict[str, torch.Tensor]:
        """Make one update for each batch of tuples."""
        self.train()
        count = self.config.tuples // self.config.batch_size
        seeds = draw_seeds(count, self.noise)
        losses = [self._update(seed) for seed in seeds]
        return mean_losses(losses)

    def _update(self, seed: int) -> dict[str, torch.Tensor]:
        """Make one update, what is dropped by a seed; return the losses of its batch."""
        tuples = self._draw()
        optimizer = self.optimizers["adamw"]
        optimizer.zero_grad()
        with seeded(seed, self.device):
            losses = self._losses(tuples)
            torch.autograd.backward([torch.stack([*losses.values()]).sum()])
        optimizer.step()
        return {f"loss/{name}": loss.detach() for name, loss in losses.items()}

    def _draw(self) -> Tuples:
        """Draw a batch of tuples, each of a class drawn evenly."""
        starts, noise = self._sketches.starts, self.noise
        shape = (self.config.batch_size,)
        classes = torch.randint(len(starts) - 1, shape, generator=noise, device=noise.device)
        return draw_tuples(draw(starts, classes, noise), starts, self._images.starts, noise)

    def _losses(self, tuples: Tuples) -> dict[str, torch.Tensor]:
        """Return the weighted losses of a batch, whose images are computed at once."""
        rows = [
            self._sketches.rows[torch.cat([tuples.sketch, tuples.other_sketch])],
            self._images.rows[torch.cat([tuples.image, tuples.other_image])],
        ]
        states = self.tower(torch.cat(rows))
        with torch.autocast(self.device.type, enabled=False):
            halves = zip(*(part.float().chunk(2) for part in states), strict=True)
            sides = [self._side(States(*half)) for half in halves]
            losses: dict[str, torch.Tensor] = self.alignment(*sides, _in_batch(tuples))
        return losses

    def _side(self, states: States) -> Side:
        return Side(states, self.alignment.enter(states.pooled))

    def heads(self) -> dict[str, Head]:
        """Return the sketches' head and the gallery, which are one."""
        head = Unit(Embedder(self.tower, self.alignment.enter))
        query = Head(head, (Port(SKETCH),), "query")
        return {SKETCH: query, "gallery": Head(head, (Port(IMAGE),), "gallery")}


def _in_batch(tuples: Tuples) -> Tuples:
    """Number the rows of tuples as a batch has them: the first of each domain, then the others."""
    first = torch.arange(len(tuples.sketch), device=tuples.sketch.device)
    other = first + len(first)
    return tuples._replace(sketch=first, image=first, other_sketch=other, other_image=other)


_CONTRACT: type[contract.Method] = Method  # for mypy: the class keeps the contract
