"""The alignment module: fusion, then global triplets and local relations, before and after it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import nn

from zscr.train.methods.alignment.fusion import Pairs, TextFusion, VisualFusion, Words
from zscr.train.methods.alignment.relation import RelationNetwork, relation_loss
from zscr.train.methods.alignment.triplet import Distance, triplet_loss
from zscr.train.methods.alignment.tuples import Tuples
from zscr.train.vision.tower import States


class Settings(Protocol):
    """What alignment reads of a method's Config."""

    @property
    def lambda_tri(self) -> float:
        """Weight of the triplets."""

    @property
    def lambda_rn(self) -> float:
        """Weight of the relations."""

    @property
    def tri_pre(self) -> bool:
        """Whether triplets are learnt of embeddings before fusion, too: what is deployed."""

    @property
    def rn_pre(self) -> bool:
        """Whether relations are learnt of tokens before fusion, too: what a query has."""

    @property
    def distance(self) -> Distance:
        """Of the triplets."""

    @property
    def margin(self) -> float:
        """Of the triplets."""


class Side(NamedTuple):
    """A batch's sketches, or its images: what towers and heads make of N of them.

    Attributes:
        states: of the tower.
        embedded: (N, E) of the head that is deployed, which no text has a part in.
    """

    states: States
    embedded: torch.Tensor


class Alignment(nn.Module):
    """The terms that align sketches with images, with a text, with each other, or as they are.

    A tuple makes two pairs: its sketch with the image of the same class, and its other sketch with
    the image of another class. Fused, the first is to be one class by the relation network and the
    second is not; the sketch is to be nearer to its image than to the other one. The triplet is
    also of the embeddings before fusion, which alone are deployed.
    """

    def __init__(
        self,
        settings: Settings,
        given: tuple[int, int],
        width: int,
        fusion: TextFusion | VisualFusion | None,
    ) -> None:
        """Make the module.

        Args:
            settings: of the method.
            given: width and side of a tower's states.
            width: that tokens are mapped to before they are fused.
            fusion: of tokens of `width`; None compares them as they are.
        """
        super().__init__()
        self.settings, self.fusion = settings, fusion
        tower_width, side = given
        same = tower_width == width
        self.enter = nn.Identity() if same else _entry(tower_width, width)
        self.relation = RelationNetwork(width, side)

    def forward(
        self, sketches: Side, images: Side, tuples: Tuples, words: Words | None = None
    ) -> dict[str, torch.Tensor]:
        """Return the terms, times their weights, by names that begin with `tri` or `rn`.

        Args:
            sketches, images: of a batch.
            tuples: rows of these, and numbers of `words`' classes.
            words: a text of each class, where fusion reads texts.
        """
        before = self._pairs(sketches.states, images.states, tuples)
        after = None if self.fusion is None else self.fusion(before, tuples, words)
        shown = [("", before)] if after is None else [("", after)]
        if after is not None and self.settings.rn_pre:
            shown.append(("_pre", before))
        return self._triplets(sketches, images, tuples, after) | self._relations(shown)

    def places(self, states: States) -> torch.Tensor:
        """Return what the relation network compares of images: (B, count, channels) unit rows."""
        return self.relation.places(self.enter(states.tokens))

    def _pairs(self, sketches: States, images: States, tuples: Tuples) -> Pairs:
        sequences = (torch.cat([one.pooled[:, None], one.tokens], 1) for one in (sketches, images))
        left, right = map(self.enter, sequences)
        return Pairs(
            left[torch.cat([tuples.sketch, tuples.other_sketch])],
            right[torch.cat([tuples.image, tuples.other_image])],
        )

    def _triplets(
        self, sketches: Side, images: Side, tuples: Tuples, after: Pairs | None
    ) -> dict[str, torch.Tensor]:
        """Return the triplets, before and after fusion, which share the weight."""
        found = {}
        if self.settings.tri_pre or after is None:
            rows = images.embedded[tuples.image], images.embedded[tuples.other_image]
            found["tri_pre"] = self._triplet(sketches.embedded[tuples.sketch], *rows)
        if after is not None:
            anchor, _ = after.sketches[:, 0].chunk(2)
            found["tri"] = self._triplet(anchor, *after.images[:, 0].chunk(2))
        weight = self.settings.lambda_tri / len(found)
        return {name: weight * one for name, one in found.items() if weight}

    def _triplet(self, *rows: torch.Tensor) -> torch.Tensor:
        anchor, positive, negative = rows
        settings = self.settings
        return triplet_loss(anchor, positive, negative, settings.margin, settings.distance)

    def _relations(self, shown: list[tuple[str, Pairs]]) -> dict[str, torch.Tensor]:
        """Return the weight times the loss of the relations, shared by the tokens of each name."""
        if not self.settings.lambda_rn:
            return {}
        weight = self.settings.lambda_rn / len(shown)
        return {f"rn{name}": weight * self._relation(pairs) for name, pairs in shown}

    def _relation(self, pairs: Pairs) -> torch.Tensor:
        logits = self.relation(pairs.sketches[:, 1:], pairs.images[:, 1:])
        same, different = logits.chunk(2)
        return relation_loss(same, different)


def _entry(before: int, width: int) -> nn.Module:
    """Map tokens of a tower to another width; the norm is what a transformer's end has already."""
    return nn.Sequential(nn.LayerNorm(before), nn.Linear(before, width))
