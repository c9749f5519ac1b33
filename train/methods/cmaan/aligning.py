"""What `cmaan` adds to its losses: alignment with texts of the classes, which nothing deploys."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from zscr.data.collection import Collection
from zscr.data.describe.texts import class_texts
from zscr.train.methods.alignment.alignment import Alignment, Side
from zscr.train.methods.alignment.fusion import TextFusion, Words
from zscr.train.methods.alignment.sentences import Sentences
from zscr.train.methods.alignment.tuples import draw_tuples
from zscr.train.methods.cmaan.batches import Batch
from zscr.train.methods.cmaan.config import NO_TEXTS, Config
from zscr.train.methods.cmaan.rows import IMAGE, SKETCH
from zscr.train.methods.contract import Need
from zscr.train.methods.registry import Shapes
from zscr.train.tables import TensorSplit
from zscr.train.vision.tower import VisionTower

TEXTS = "description"


class Aligning(nn.Module):
    """The alignment of a batch: its tuples, and a sentence of each of its classes."""

    def __init__(self, config: Config, tower: VisionTower, shapes: Shapes) -> None:
        """Make it for a tower's states and, where there are texts, rows of these shapes."""
        super().__init__()
        width = config.width or tower.width
        fusion = None
        if config.texts != NO_TEXTS:
            fusion = TextFusion(width, shapes[TEXTS][1], width * 4 // 3)  # ZSE-SBIR: 768 -> 1024
        self.alignment = Alignment(config, (tower.width, tower.side), width, fusion)
        self._sentences: Sentences | None = None

    def bind(self, seen: TensorSplit) -> None:
        """Take the texts of the seen classes, if any are read."""
        self._sentences = Sentences(seen[TEXTS]) if TEXTS in seen.tables else None

    def forward(
        self, sides: Mapping[str, Side], batch: Batch, noise: torch.Generator
    ) -> dict[str, torch.Tensor]:
        """Return the weighted terms of a batch, by the names of losses."""
        every = torch.arange(len(batch.classes), device=batch.classes.device)
        tuples = draw_tuples(every, batch.starts, batch.starts, noise)
        terms = self.alignment(sides[SKETCH], sides[IMAGE], tuples, self._words(batch, noise))
        return {f"loss/{name}": term for name, term in terms.items()}

    def _words(self, batch: Batch, noise: torch.Generator) -> Words | None:
        if self._sentences is None:
            return None
        return self._sentences.draw(batch.classes[:: batch.each], noise)


def make_aligning(config: Config, tower: VisionTower, shapes: Shapes) -> Aligning | None:
    """Return the module, or None where its terms have no weight."""
    weighs = config.lambda_tri or config.lambda_rn
    return Aligning(config, tower, shapes) if weighs else None


def texts_need(config: Config) -> tuple[Need, ...]:
    """Return the table of the texts, if any are read."""
    if config.texts == NO_TEXTS:
        return ()
    texts = partial(_texts, config)
    return (Need(TEXTS, encoder=partial(_words_encoder, config), texts=texts),)
