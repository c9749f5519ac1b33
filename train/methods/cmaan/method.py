"""`cmaan`: sketches and images meet in one space, in which nothing needs a text.

Both towers begin at pretrained ones, their map at a closed form that is a candidate itself. The
name is of the method that adds language in training; its formulas are not known here, and what is
trained by default is what does best on validation classes. docs/cmaan.md has the algebra.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from zscr.data.collection import Collection
from zscr.data.describe.texts import texts_sha256
from zscr.errors import ConfigError
from zscr.train.methods import contract
from zscr.train.methods.alignment.alignment import Side
from zscr.train.methods.clip.schedule import rate_at
from zscr.train.methods.cmaan.aligning import TEXTS, make_aligning, texts_need
from zscr.train.methods.cmaan.batches import Batch, Batches
from zscr.train.methods.cmaan.config import NO_TEXTS, Config
from zscr.train.methods.cmaan.described import Described
from zscr.train.methods.cmaan.embedder import Embedder, Fused
from zscr.train.methods.cmaan.objective import Proxies, class_info_nce
from zscr.train.methods.cmaan.projection import Projection
from zscr.train.methods.cmaan.relating import with_relation
from zscr.train.methods.cmaan.rows import (
    DOMAINS,
    IMAGE,
    SECOND,
    SKETCH,
    backbone_of,
    image_needs,
    second_backbone,
    tower_of,
)
from zscr.train.methods.cmaan.updates import adamw_of, set_rates
from zscr.train.methods.contract import Head, Need, Port, Role
from zscr.train.methods.losses import mean_losses
from zscr.train.methods.registry import Shapes
from zscr.train.methods.seeded import draw_seeds, seeded
from zscr.train.tables import TensorSplit, owners
from zscr.train.vision.tower import States

__all__ = ["ABLATIONS", "Config", "Method", "needs", "settled"]

ABLATIONS: Mapping[str, Mapping[str, Any]] = {"before round 1": {"rounds": 0}}
BLOCK = 64  # rows that a tower takes at once, out of training
OPTIMIZER = "adamw"


def needs(config: Config) -> tuple[Need, ...]:
    """Return the tables: sketches and images of classes, their views, and texts that are read."""
    return *image_needs(config), *texts_need(config)


def settled(config: Config, collection: Collection) -> Config:
    """Return the settings with the hashes of the pretrained networks.

    Raises:
        ConfigError: the second encoder is the backbone by another name.
    """
    known = config.texts_sha256
    texts = config.texts != NO_TEXTS and texts_sha256(
        collection, config.texts, config.prompts, known
    )
    backbone = backbone_of(config, SKETCH).sha256
    second = second_backbone(config).sha256 if config.second else ""
    if second == backbone:
        raise ConfigError(
            f"second={config.second} is the backbone {config.backbone} by another name and would "
            f"add nothing; name another encoder, or leave it out"
        )
    return replace(config, backbone_sha256=backbone, second_sha256=second, texts_sha256=texts or "")


class Method(nn.Module):
    """The trainable model. See `zscr.train.methods.contract.Method` for the contract."""

    def __init__(self, config: Config, shapes: Shapes, device: torch.device | str = "cpu") -> None:
        super().__init__()
        self.config, self.device = config, torch.device(device)
        own = [SKETCH] if config.shared else DOMAINS
        with torch.random.fork_rng([]):
            torch.manual_seed(config.seed)
            self.towers = nn.ModuleDict({name: tower_of(config, name) for name in own})
            self.projection = Projection(self._width(), config.dim, config.dropout)
            self.proxies = Proxies(config.dim)
            self.aligning = make_aligning(config, dict(self.towers.items()), shapes)
            self.described = _described(config, shapes)
            self.second = _second(config, shapes)  # last: it changes nothing of the others
        self.to(self.device)
        self.noise = torch.Generator(device).manual_seed(config.seed)
        self.sampling: dict[str, torch.Tensor] = {}
        self.chosen: dict[str, Any] = {}
        self.optimizers = {OPTIMIZER: self._optimizer()}

    def _tower(self, domain: str) -> Any:
        """Return the module of a domain that is a `VisionTower`."""
        return self.towers[SKETCH if self.config.shared else domain]

    def _width(self) -> int:
        """Return the width of what both towers make, which one map takes."""
        sketch, image = (self._tower(domain).width for domain in DOMAINS)
        if sketch != image:
            raise ConfigError(
                f"one map takes sketches and images, and of {self.config.backbone} "
                f"sketch={self.config.sketch} makes {sketch} numbers, image={self.config.image} "
                f"{image}; set both alike"
            )
        return int(sketch)

    def _optimizer(self) -> torch.optim.Optimizer:
        extra = [one for one in (self.aligning, self.described) if one is not None]
        behind = [*self.projection.parameters()]
        behind += [parameter for one in extra for parameter in one.parameters()]
        return adamw_of(self.config, self.towers.parameters(), behind, self.proxies.parameters())

    def bind(self, seen: TensorSplit, val: TensorSplit | None) -> None:
        """Take the tables of the seen classes; the validation classes choose the rounds alone."""
        self._seen, self._batches = seen, Batches(seen, self.config)
        if self.aligning is not None:
            self.aligning.bind(seen)
        if self.described is not None:
            self.described.bind(seen[TEXTS])

    @torch.no_grad()
    def start(self) -> None:
        """Fit what has a closed form: scalings, the map, and the second encoder's."""
        self.eval()
        self.sampling = {"step": torch.zeros((), dtype=torch.int64)}
        classes = {domain: owners(self._seen[domain]) for domain in DOMAINS}
        pooled = {domain: self._pooled(domain) for domain in DOMAINS}
        self.projection.fit(pooled)
        if self.config.closed_form:
            self.projection.begin(pooled, classes, self.config.penalty)
        embedded = {domain: self.projection(domain, rows) for domain, rows in pooled.items()}
        self.proxies.begin(embedded, classes)
        if self.second is not None:
            others = {domain: self._seen[SECOND[domain]] for domain in DOMAINS}
            rows = {domain: table.rows for domain, table in others.items()}
            self.second.fit(rows)
            labels = {domain: owners(table) for domain, table in others.items()}
            self.second.begin(rows, labels, self.config.penalty)

    def _pooled(self, domain: str) -> torch.Tensor:
        """Return what a tower makes of all seen things of a domain (N, W)."""
        blocks = torch.split(self._seen[domain].rows, BLOCK)
        return torch.cat([self._tower(domain)(block).pooled for block in blocks])

    def train_round(self) -> dict[str, torch.Tensor]:
        """Go through as many sketches as there are, in batches of classes."""
        self.train()
        count = self._batches.count
        seeds = draw_seeds(count, self.noise)
        begun, total = int(self.sampling["step"]), count * self.config.rounds
        losses: list[dict[str, torch.Tensor]] = []
        for step, seed in enumerate(seeds, begun):
            share = rate_at(step, total, self.config.warmup)
            losses.append(self._update(self._batches.draw(self.noise), seed, share))
        self.sampling["step"] += count
        return mean_losses(losses)

    def _update(self, batch: Batch, seed: int, share: float) -> dict[str, torch.Tensor]:
        """Make one update at a share of the rates of learning; return the losses of its batch."""
        optimizer = self.optimizers[OPTIMIZER]
        set_rates(optimizer, share)
        optimizer.zero_grad()
        with seeded(seed, self.device):
            losses = self._losses(batch)
            torch.autograd.backward([torch.stack([*losses.values()]).sum()])
        optimizer.step()
        return {name: loss.detach() for name, loss in losses.items()}

    def _losses(self, batch: Batch) -> dict[str, torch.Tensor]:
        """Return the weighted losses of a batch."""
        rows = {SKETCH: batch.sketches, IMAGE: batch.images}
        states = {domain: self._states(domain, rows[domain]) for domain in DOMAINS}
        config, classes = self.config, batch.classes
        with torch.autocast(self.device.type, enabled=False):
            found = {domain: self.projection(domain, one.pooled) for domain, one in states.items()}
            losses = {}
            if config.contrast:
                loss = class_info_nce(found[SKETCH], found[IMAGE], classes, config.temperature)
                losses["loss/contrast"] = config.contrast * loss
            if config.proxies:
                parts = [self.proxies(one, classes, config.temperature) for one in found.values()]
                losses["loss/proxies"] = config.proxies * torch.stack(parts).mean()
            if self.described is not None:
                parts = [self.described(o, classes, config.temperature) for o in found.values()]
                losses["loss/described"] = config.described * torch.stack(parts).mean()
            if self.aligning is not None:
                sides = {domain: Side(states[domain], found[domain]) for domain in DOMAINS}
                losses |= self.aligning(sides, batch, self.noise)
        return losses

    def _states(self, domain: str, rows: torch.Tensor) -> States:
        """Return a tower's states in float32, in whatever it was computed."""
        states = self._tower(domain)(rows)
        return States(*(one.float() for one in states))

    def heads(self, *, with_second: bool = True) -> dict[str, Head]:
        """Return the sketches' head and the gallery, with the second encoder's part if there is.

        Where relations were learnt of tokens without a text, their network can re-rank.

        Args:
            with_second: whether the second encoder is deployed; without it nothing else differs.
        """
        roles: Mapping[str, tuple[str, Role]] = {
            SKETCH: (SKETCH, "query"),
            "gallery": (IMAGE, "gallery"),
        }
        heads = {name: self._head(*one, with_second) for name, one in roles.items()}
        if self.aligning is None or not self.config.relates:
            return heads
        towers = {domain: self._tower(domain) for domain in DOMAINS}
        return with_relation(heads, towers, self.aligning.alignment)

    @cached_property
    def _second_tower(self) -> nn.Module:
        """What takes the second encoder's features; opened once, and only where it is deployed."""
        return second_backbone(self.config).tower()

    def _head(self, domain: str, role: Role, with_second: bool) -> Head:
        first = Embedder(self._tower(domain), self.projection, domain)
        if self.second is None or not with_second:
            return Head(first, (Port(domain),), role)
        second = Embedder(self._second_tower, self.second, domain)
        fused = Fused(first, second, self.config.share)
        return Head(fused, (Port(domain), Port(SECOND[domain])), role)


def _second(config: Config, shapes: Shapes) -> Projection | None:
    """Return the map of the second encoder's features, which no step changes."""
    if not config.second:
        return None
    [width] = shapes[SECOND[SKETCH]]
    return Projection(width, config.dim).requires_grad_(False)


def _described(config: Config, shapes: Shapes) -> Described | None:
    """Return the loss against texts, or None where it has no weight."""
    return Described(config.dim, shapes[TEXTS][1]) if config.described else None


_CONTRACT: type[contract.Method] = Method  # for mypy: the class keeps the contract
