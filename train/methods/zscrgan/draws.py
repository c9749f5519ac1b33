"""Which rows batches consist of, by number."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from zscr.infer.features.table import Split
from zscr.train.tables import TensorSplit


@dataclass(frozen=True)
class Draws:
    """Row numbers of K batches of B pairs, each (K, B); -1 stands for a row of zeros.

    Attributes:
        texts, images: the right pairs.
        wrong_texts, wrong_images: a text and an image of another class, for each right pair.
    """

    texts: torch.Tensor
    images: torch.Tensor
    wrong_texts: torch.Tensor
    wrong_images: torch.Tensor

    @property
    def tables(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """All four."""
        return self.texts, self.images, self.wrong_texts, self.wrong_images

    def within(self, texts: int, images: int) -> Draws:
        """Return draws from tables of that many rows whose last row is zeros: no number is -1."""
        return Draws(
            self.texts % texts,
            self.images % images,
            self.wrong_texts % texts,
            self.wrong_images % images,
        )

    def __getitem__(self, batches: slice | int) -> Draws:
        """Return some of the batches, or one, (B,)."""
        return Draws(*(table[batches] for table in self.tables))


def first_texts(split: TensorSplit) -> TensorSplit:
    """Leave each class its first text, as the released code does in training."""
    texts = split["text"]
    first = texts.starts[:-1]
    kept = replace(
        texts,
        ids=tuple(texts.ids[number] for number in first.tolist()),
        rows=texts.rows[first],
        starts=torch.arange(len(texts.starts), device=first.device),
    )
    return Split(split.groups, {**split.tables, "text": kept})
