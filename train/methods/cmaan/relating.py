"""What re-ranks: the relation network of the alignment, which learnt of tokens without a text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import nn

from zscr.train.methods.alignment.alignment import Alignment
from zscr.train.methods.cmaan.rows import IMAGE, SKETCH
from zscr.train.methods.contract import Head, Port

RELATION, GALLERY = "relation", "gallery"


class Places(nn.Module):
    """Rows of a domain (B, …) -> the places of their maps, unit rows (B, L, W)."""

    def __init__(self, tower: nn.Module, alignment: Alignment) -> None:
        super().__init__()
        self.tower, self.alignment = tower, alignment

    def forward(self, rows: torch.Tensor, *_: torch.Tensor) -> torch.Tensor:
        """Return tokens; rows of a second encoder have no part in them."""
        return self.alignment.places(self.tower(rows))


class Relation(nn.Module):
    """A sketch's places (1, L, W) and those of images (B, L, W) -> logits (B,)."""

    def __init__(self, alignment: Alignment) -> None:
        super().__init__()
        self.alignment = alignment

    def forward(self, asked: torch.Tensor, found: torch.Tensor) -> torch.Tensor:
        """Say how well each image matches."""
        return self.alignment.relation.relate(asked, found)


def with_relation(
    heads: Mapping[str, Head], towers: Mapping[str, nn.Module], alignment: Alignment
) -> dict[str, Head]:
    """Return heads that give tokens, and the pair that compares them.

    Args:
        heads: of sketches and of the gallery; towers: by domain.
        alignment: whose relation network has learnt of tokens that no text was fused to.
    """
    domains = {SKETCH: SKETCH, GALLERY: IMAGE}
    made = {
        name: replace(head, tokens=Places(towers[domains[name]], alignment))
        for name, head in heads.items()
    }
    return made | {RELATION: Head(Relation(alignment), (Port(SKETCH), Port(GALLERY)), "pair")}
