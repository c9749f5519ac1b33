"""The head that takes an image and a text: the image becomes words of the text's sentence."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.language.mappers import Im2Text, Phi
from zscr.train.language.tower import LanguageTower
from zscr.train.methods.losses import unit
from zscr.train.methods.pic2word.base import Base
from zscr.train.methods.pic2word.centre import Centre
from zscr.train.methods.pic2word.config import DOMAIN, IM2TEXT, PHI, Config
from zscr.train.methods.pic2word.sentence_rows import narrowed
from zscr.train.methods.pic2word.vocabulary import Vocabulary


class Mapped(nn.Module):
    """Embeddings -> K word vectors: centred if at all, then mapped."""

    def __init__(self, centre: nn.Module, mapper: nn.Module, words: int) -> None:
        super().__init__()
        self.centre, self.mapper, self.words = centre, mapper, words

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map (B, D) -> (B, K, W)."""
        return self.words_of(self.centre(rows))

    def words_of(self, rows: torch.Tensor) -> torch.Tensor:
        """Map embeddings that are centred already."""
        found: torch.Tensor = self.mapper(rows)
        return found.reshape(-1, self.words, found.shape[1] // self.words)


class Composed(nn.Module):
    """Features of an image and the row of a prompt -> (B, D), of length 1."""

    def __init__(self, image: nn.Module, mapped: nn.Module, tower: LanguageTower) -> None:
        super().__init__()
        self.image, self.mapped, self.tower = image, mapped, tower

    def forward(self, features: torch.Tensor, prompts: torch.Tensor) -> torch.Tensor:
        """Embed sentences with the image's words in them."""
        if not torch.compiler.is_exporting():  # a graph takes any sentences, so keeps the length
            prompts = narrowed(prompts)
        return unit(self.tower.compose(prompts, self.mapped(self.image(features))))


def fresh(config: Config, base: Base) -> Mapped:
    """Return a fresh mapper of the kind that is set."""
    tower, words = base.language.tower, config.words
    sizes = tower.dim, words * tower.width
    if config.mapper == IM2TEXT:
        mapper: nn.Module = Im2Text(*sizes, config.width, dropout=config.dropout)
    elif config.mapper == PHI:
        mapper = Phi(*sizes, dropout=config.dropout)
    else:
        mapper = Vocabulary(tower.dim, tower.width, words, config.width, config.dropout)
    centre = Centre(tower.dim, config.domains) if config.centre == DOMAIN else nn.Identity()
    return Mapped(centre, mapper, words)
