"""Batches with as many sketches and images of each of their classes, drawn evenly by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from zscr.errors import ConfigError
from zscr.train.methods.alignment.tuples import require_others
from zscr.train.methods.cmaan.config import Config
from zscr.train.methods.cmaan.rows import DOMAINS, DRAWN, IMAGE, SKETCH, views_of
from zscr.train.tables import Tensors, TensorSplit, draw


@dataclass(frozen=True)
class Batch:
    """Rows of K classes, class after class: n sketches and n images of each.

    Attributes:
        sketches, images: (K n, …); classes: (K n,) the number of each row's class.
        each: n.
    """

    sketches: torch.Tensor
    images: torch.Tensor
    classes: torch.Tensor
    each: int

    @property
    def starts(self) -> torch.Tensor:
        """(K+1,) where each class's rows begin."""
        return torch.arange(0, len(self.classes) + 1, self.each, device=self.classes.device)


class Batches:
    """Draws batches of a split's tables."""

    def __init__(self, split: TensorSplit, config: Config) -> None:
        """Take the tables.

        Raises:
            ConfigError: a view lacks things that another has, or there is one class alone.
        """
        self._views = {
            domain: [split[name] for name in views_of(config, domain)] for domain in DOMAINS
        }
        for domain, tables in self._views.items():
            _require_same(domain, tables)
        self._edges = split[DRAWN] if config.edges else None
        self._share, self._each = config.edges, config.batch_each
        self._classes = len(split.groups)
        require_others(split.groups)
        self._drawn = min(config.batch_classes, self._classes)

    @property
    def count(self) -> int:
        """How many batches have as many sketches as there are, or one."""
        return max(len(self._views[SKETCH][0].rows) // (self._drawn * self._each), 1)

    def draw(self, noise: torch.Generator) -> Batch:
        """Draw a batch by these random numbers."""
        order = torch.randperm(self._classes, generator=noise, device=noise.device)
        classes = order[: self._drawn]
        images = self._rows(IMAGE, classes, noise)
        owners = classes.repeat_interleave(self._each)
        sketches = self._rows(SKETCH, classes, noise)
        if self._edges:
            drawn = self._edges.rows[draw(self._edges.starts, owners, noise)]
            share = torch.rand(len(owners), generator=noise, device=noise.device)
            sketches = _chosen(share < self._share, drawn, sketches)
        return Batch(sketches, images, owners, self._each)

    def _rows(self, domain: str, classes: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
        """Draw things of each class, and of each any view."""
        views = self._views[domain]
        rows = distinct(views[0].starts, classes, self._each, noise).flatten()
        seen = torch.randint(len(views), rows.shape, generator=noise, device=noise.device)
        drawn = views[0].rows[rows]
        for number, view in enumerate(views[1:], 1):  # all are read, so that nothing waits
            drawn = _chosen(seen == number, view.rows[rows], drawn)
        return drawn


def distinct(
    starts: torch.Tensor, groups: torch.Tensor, each: int, noise: torch.Generator
) -> torch.Tensor:
    """Draw rows of groups (G,), different ones as far as a group has so many -> (G, each).

    Each group's rows are put in a random order, by sorting one random number a row (those beyond a
    group's last come last), and taken from its start, from the start again where it is too short.
    """
    counts = starts.diff()
    places = torch.arange(int(counts.max()), device=starts.device)
    own = counts[groups][:, None]
    keys = torch.rand(len(groups), len(places), generator=noise, device=noise.device)
    order = keys.masked_fill(places >= own, 2.0).argsort(1)
    taken = torch.arange(each, device=starts.device) % own
    return starts[groups][:, None] + order.gather(1, taken)


def _chosen(flags: torch.Tensor, rows: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Take rows (B, …) where flags (B,) hold, and the others' elsewhere."""
    return torch.where(flags.reshape(-1, *[1] * (rows.ndim - 1)), rows, others)


def _require_same(domain: str, views: Sequence[Tensors]) -> None:
    """Refuse views that are not of the same things."""
    counts = [len(view.ids) for view in views]
    if any(view.ids != views[0].ids for view in views):
        raise ConfigError(
            f"the views of the seen {domain} table have {', '.join(map(str, counts))} rows that "
            f"can be used; leave out of the collection what one of them lacks"
        )
