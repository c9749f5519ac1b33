"""Sentences of classes as token rows, of which training draws one a class."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zscr.errors import CollectionError
from zscr.train.methods.alignment.fusion import Words
from zscr.train.tables import Tensors, rows_at


@dataclass(frozen=True)
class Sentences:
    """The first `most` sentences of each class, as a frozen text encoder's tokens.

    Attributes:
        rows: (N, L, W), zeros where there is no token.
        starts: (C+1,), class c having the rows [starts[c], starts[c+1]); count: (C,) of those used.
    """

    rows: torch.Tensor
    starts: torch.Tensor
    count: torch.Tensor

    @classmethod
    def of(cls, table: Tensors, groups: tuple[str, ...], most: int) -> Sentences:
        """Take a table's rows (N, L, W) and use the first `most` of each group.

        Raises:
            CollectionError: a class has no sentence, or a sentence no token.
        """
        count = table.starts.diff()
        if bare := [name for name, some in zip(groups, count.tolist(), strict=True) if not some]:
            raise CollectionError(
                f"{len(bare)} classes have no description, first {bare[0]}; describe them, or "
                f"train with texts=names"
            )
        empty = (~_there(table.rows).any(1)).nonzero()
        if len(empty):
            name = table.ids[int(empty[0])]
            raise CollectionError(f"description {name} has no token; correct or remove it")
        return cls(table.rows, table.starts, count.clamp(max=most))

    def draw(self, noise: torch.Generator) -> Words:
        """Draw a sentence of each class -> C of them."""
        classes = torch.arange(len(self.count), device=self.count.device)
        share = torch.rand(classes.shape, generator=noise, device=classes.device)
        used = share * self.count / self.starts.diff()  # the rows that are used come first
        rows = self.rows[rows_at(self.starts, classes, used)]
        return Words(rows.float(), _there(rows))


def pick(words: Words, classes: torch.Tensor) -> Words:
    """Return the text of each class number (P,)."""
    return Words(words.tokens[classes], words.there[classes])


def _there(rows: torch.Tensor) -> torch.Tensor:
    """Say where tokens (..., L, W) are: (..., L)."""
    return rows.ne(0).any(-1)
