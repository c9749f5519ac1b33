"""How a trained `zscrgan-reference` embeds queries."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.methods.zscrgan.heads import FixedNoise
from zscr.train.methods.zscrgan.networks import Networks


class QueryHead(nn.Module):
    """Embeds texts (B, T) -> unit rows (B, E): CSEM of the imagined image features.

    Args:
        networks: the trained ones.
        noise: fixed draws that the embedding is averaged over.
    """

    def __init__(self, networks: Networks, noise: FixedNoise) -> None:
        super().__init__()
        self.text_encoder, self.noise = networks.text_encoder, noise
        self.generator, self.csem = networks.generator, networks.csem

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """Map (B, T) -> (B, E)."""
        mu, log_sigma = self.text_encoder(text)
        return self.noise.average(mu, log_sigma.exp(), self._found)

    def _found(self, latents: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.csem(self.generator(latents, z))
        return found
