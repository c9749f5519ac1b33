"""How a trained `zscrgan` embeds queries."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.methods.losses import unit
from zscr.train.methods.zscrgan.heads import FixedNoise
from zscr.train.methods.zscrgan.improved.imagination import Imagination
from zscr.train.methods.zscrgan.improved.scaling import TextScaling


class QueryHead(nn.Module):
    """Embeds texts (B, T) -> unit rows (B, E): (1 - share) · latent + share · imagined part.

    Args:
        texts: scales the texts.
        imagination: makes latents of them, and images of latents.
        csem: maps scaled images (B, I) -> (B, E).
        noise: fixed draws that the imagined part is averaged over.
        latent_noise: deviation of a latent around its mean.
        share: of the imagined part, CSEM of the imagined images; both parts have length 1. At 0
            nothing is imagined.
    """

    def __init__(
        self,
        texts: TextScaling,
        imagination: Imagination,
        csem: nn.Module,
        noise: FixedNoise,
        latent_noise: float,
        share: float,
    ) -> None:
        super().__init__()
        self.texts, self.imagination, self.csem, self.noise = texts, imagination, csem, noise
        self.latent_noise, self.share = latent_noise, share

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """Map (B, T) -> (B, E)."""
        means = self.imagination.encode(self.texts(text))
        if self.share == 0:
            return unit(means)
        imagined = self.noise.average(means, self.latent_noise, self._found)
        return unit((1 - self.share) * unit(means) + self.share * imagined)

    def _found(self, latents: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.csem(self.imagination.imagine(latents, z))
        return found
