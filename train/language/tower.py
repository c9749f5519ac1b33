"""A frozen text tower that takes word vectors: CLIP's causal one, or a sentence encoder."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import nn

from zscr.train.encoders.raw import NO_TOKEN, SLOT


class Body(Protocol):
    """What a family of text models does with word vectors, as an `nn.Module`.

    Attributes:
        table: (V, W), the vectors of its words.
    """

    table: nn.Embedding

    def __call__(
        self, vectors: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor
    ) -> torch.Tensor:
        """Embed texts of which the word vectors are given, before positions are added.

        Args:
            vectors: float (B, L, W); ids, mask: int64 (B, L). The ids say where a text ends.

        Returns:
            (B, D), projected and not normalised.
        """


class LanguageTower(nn.Module):
    """A frozen tower from tokens, some of them replaced by vectors, to text embeddings.

    Gradients pass through it to the vectors; its own weights never change, and a method keeps it
    out of its checkpoints. Vectors are put in place of word embeddings, before positions are added
    (Saito et al., CVPR 2023), at each row's own places.

    Attributes:
        width: W, of a word vector; dim: D, of an embedding.
    """

    def __init__(self, body: Any, dim: int) -> None:
        super().__init__()
        self.body = body.eval().requires_grad_(False)  # a `Body`
        self.dim, self.width = dim, int(self.body.table.embedding_dim)

    def train(self, mode: bool = True) -> LanguageTower:
        """Stay in evaluation: a frozen tower drops nothing."""
        return super().train(False)

    def embeddings(self, ids: torch.Tensor) -> torch.Tensor:
        """Look word vectors up, before positions are added: ids int64 (B, L) -> (B, L, W)."""
        vectors: torch.Tensor = self.body.table(ids)
        return vectors

    def forward(
        self, ids: torch.Tensor, mask: torch.Tensor, slot: torch.Tensor, words: torch.Tensor
    ) -> torch.Tensor:
        """Embed texts in which K vectors stand at each row's own slot.

        Args:
            ids: int64 (B, L); mask: int64 (B, L), 0 where there is no token.
            slot: int64 (B,) the place of the first vector, -1 for a row that has none.
            words: float (B, K, W), put at slot, …, slot + K - 1.

        Returns:
            (B, D), projected and not normalised.
        """
        offset = torch.arange(ids.shape[1], device=ids.device) - slot[:, None]
        inside = (offset >= 0) & (offset < words.shape[1]) & (slot[:, None] >= 0)
        return self._embed(ids, mask, torch.where(inside, offset, -1), words)

    def compose(self, rows: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        """Embed rows of `raw_prompts`, in which vectors may stand at several places.

        Args:
            rows: integer (B, L): an id, -1 where there is no token, -2 where a vector stands.
            words: float (B, K, W); a row's n-th place from the left takes the vector n mod K, so
                that one vector fills all of them, and K vectors fill K places next to each other.

        Returns:
            (B, D), projected and not normalised.
        """
        places = rows == SLOT
        order = torch.where(places, places.long().cumsum(1) - 1, -1)
        mask = (rows != NO_TOKEN).long()
        return self._embed(rows.clamp_min(0).long(), mask, order, words)

    def _embed(
        self, ids: torch.Tensor, mask: torch.Tensor, order: torch.Tensor, words: torch.Tensor
    ) -> torch.Tensor:
        """Embed texts; `order` (B, L) numbers the places that take vectors, -1 elsewhere."""
        which = (order % words.shape[1])[:, :, None].expand(-1, -1, words.shape[2])
        vectors = torch.where(order[:, :, None] < 0, self.embeddings(ids), words.gather(1, which))
        rows: torch.Tensor = self.body(vectors, ids, mask)
        return rows


class Behind(nn.Module):
    """A body whose embeddings pass through a further module, such as a trained projection."""

    def __init__(self, body: Any, after: nn.Module) -> None:
        super().__init__()
        self.body, self.after = body, after
        self.table = body.table

    def forward(self, vectors: torch.Tensor, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Embed texts; see `Body`."""
        rows: torch.Tensor = self.after(self.body(vectors, ids, mask))
        return rows
