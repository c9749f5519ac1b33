"""Sentences of classes as token rows, of which training draws one a class."""

from __future__ import annotations

import torch

from zscr.errors import CollectionError
from zscr.train.methods.alignment.fusion import Words
from zscr.train.tables import Tensors, draw


class Sentences:
    """The sentences of each class, as a frozen text encoder's tokens."""

    def __init__(self, table: Tensors) -> None:
        """Take a table's rows (N, L, W), zeros where there is no token; each class has some.

        Raises:
            CollectionError: a sentence has no token.
        """
        there = there_of(table.rows)
        longest = int(there.sum(1).max())  # what is behind it would be attended to for nothing
        self.rows, self.starts = table.rows[:, :longest], table.starts
        bare = (~there.any(1)).nonzero()
        if len(bare):
            name = table.ids[int(bare[0])]
            raise CollectionError(f"sentence {name} has no token; correct it or take it out")

    def draw(self, classes: torch.Tensor, noise: torch.Generator) -> Words:
        """Draw a sentence of each of some classes (K,)."""
        rows = self.rows[draw(self.starts, classes, noise)]
        return Words(rows.float(), there_of(rows))


def there_of(rows: torch.Tensor) -> torch.Tensor:
    """Say where token rows (..., L, W) hold a token: (..., L)."""
    return rows.ne(0).any(-1)
