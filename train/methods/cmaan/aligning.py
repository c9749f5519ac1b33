"""What `cmaan` adds to its losses: alignment with texts of the classes, which nothing deploys."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from zscr.data.collection import Collection
from zscr.data.describe.texts import class_texts
from zscr.errors import ConfigError
from zscr.train.encoders.resolve import token_encoder
from zscr.train.methods.alignment.alignment import Alignment, Side
from zscr.train.methods.alignment.fusion import TextFusion, Words, hidden_of
from zscr.train.methods.alignment.sentences import Sentences
from zscr.train.methods.alignment.towers import map_of
from zscr.train.methods.alignment.tuples import draw_tuples
from zscr.train.methods.cmaan.batches import Batch
from zscr.train.methods.cmaan.config import NO_TEXTS, Config
from zscr.train.methods.cmaan.rows import IMAGE, SKETCH
from zscr.train.methods.contract import Need
from zscr.train.methods.registry import Shapes
from zscr.train.tables import TensorSplit

TEXTS = "description"
Map = tuple[int, int]  # width and places a side of a tower's states


class Aligning(nn.Module):
    """The alignment of a batch: its tuples, and a sentence of each of its classes."""

    def __init__(self, config: Config, maps: Map, text_width: int | None) -> None:
        """Make it for states of a width and side, and texts of another width, if any are read."""
        super().__init__()
        fusion = None
        if text_width:
            hidden = hidden_of(config.width)
            fusion = TextFusion(config.width, text_width, hidden, config.text_pairing)
        self.alignment = Alignment(config, maps, config.width, fusion)
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
        terms: dict[str, torch.Tensor]
        terms = self.alignment(sides[SKETCH], sides[IMAGE], tuples, self._words(batch, noise))
        return {f"loss/{name}": term for name, term in terms.items()}

    def _words(self, batch: Batch, noise: torch.Generator) -> Words | None:
        if self._sentences is None:
            return None
        return self._sentences.draw(batch.classes[:: batch.each], noise)


def make_aligning(
    config: Config, towers: Mapping[str, nn.Module], shapes: Shapes
) -> Aligning | None:
    """Return the module for the towers by domain, or None where its terms have no weight.

    Raises:
        ConfigError: sketches and images cannot be aligned.
    """
    if not (config.lambda_tri or config.lambda_rn):
        return None
    found = {domain: map_of(one) for domain, one in towers.items()}
    (width, side), *others = found.values()
    if any(one[0] != width or (config.lambda_rn and one[1] != side) for one in others):
        told = ", ".join(f"{name} {side}×{side}×{width}" for name, (width, side) in found.items())
        raise ConfigError(
            f"maps of two sizes cannot be aligned ({told}); let sketch={config.sketch} and "
            f"image={config.image} be alike"
        )
    read = shapes[TEXTS][1] if config.texts != NO_TEXTS else None
    return Aligning(config, (width, max(one[1] for one in found.values())), read)


def texts_need(config: Config) -> tuple[Need, ...]:
    """Return the table of the texts, if any are read."""
    if config.texts == NO_TEXTS:
        return ()

    def texts(collection: Collection, split: str) -> Mapping[str, tuple[str, ...]]:
        return class_texts(collection, config.texts, split, config.prompts)

    return (Need(TEXTS, encoder=lambda _: token_encoder(config.text_encoder), texts=texts),)
