"""What a mapper is trained on: embeddings that become words, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch

from zscr.train.methods.losses import info_nce


@dataclass(frozen=True)
class Batch:
    """What one update is made of.

    Attributes:
        given: (B, D) embeddings that become words, centred already, with any noise.
        prompts: int64 (B, L) the sentences: ids, -1 where there is no token and -2 where a word
            of the embedding stands. Where several words stand in a row they are its K words; a
            place of K that comes again is filled with the same.
        wanted: (B, D) what the sentences are to be embedded as; no gradient comes through it.
    """

    given: torch.Tensor
    prompts: torch.Tensor
    wanted: torch.Tensor


class Objective(Protocol):
    """One way to train a mapper. It is made when tables are bound, and draws nothing then."""

    def batch(self, size: int, noise: torch.Generator) -> Batch:
        """Draw a batch of at most `size` sentences; every random number comes from `noise`."""

    def losses(
        self, found: torch.Tensor, wanted: torch.Tensor, scale: float
    ) -> Mapping[str, torch.Tensor]:
        """Compare embeddings (B, D) of sentences with what is wanted.

        Args:
            scale: inverse temperature of the method.

        Returns:
            Name -> a scalar; their sum is minimised.
        """


@dataclass(frozen=True)
class Images:
    """Pic2Word: the sentence with an image's word is to be embedded as the image is.

    Attributes:
        given: (N, D) the images as the mapper takes them; wanted: (N, D) as they are.
        prompts: int64 (G, L) the sentences that they are put in; owner: (N,) which is each one's.
    """

    given: torch.Tensor
    wanted: torch.Tensor
    prompts: torch.Tensor
    owner: torch.Tensor

    def batch(self, size: int, noise: torch.Generator) -> Batch:
        """Draw different images."""
        rows = torch.randperm(len(self.given), generator=noise, device=noise.device)[:size]
        return Batch(self.given[rows], self.prompts[self.owner[rows]], self.wanted[rows])

    def losses(
        self, found: torch.Tensor, wanted: torch.Tensor, scale: float
    ) -> Mapping[str, torch.Tensor]:
        """Symmetric InfoNCE, every other image of the batch being a negative."""
        return {"nce": info_nce(found, wanted, scale)}
