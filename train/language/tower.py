"""What a frozen text tower is that takes word vectors: CLIP's causal one, or a sentence encoder."""

from __future__ import annotations

from typing import Protocol

import torch


class LanguageTower(Protocol):
    """A frozen `nn.Module` from tokens, some of them replaced by vectors, to text embeddings.

    Gradients pass through it to the vectors; its own weights never change, and no checkpoint holds
    them.

    Attributes:
        width: W, of a word vector.
        dim: D, of an embedding.
    """

    width: int
    dim: int

    def embeddings(self, ids: torch.Tensor) -> torch.Tensor:
        """Look word vectors up, before positions are added: ids int64 (B, L) -> (B, L, W)."""

    def __call__(
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
