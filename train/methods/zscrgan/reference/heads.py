"""How a trained `zscrgan-reference` embeds queries."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.methods.zscrgan.heads import FixedNoise
from zscr.train.methods.zscrgan.networks import Networks


class QueryHead(nn.Module):
    """Embeds texts (B, T) -> unit rows: the imagined image features (B, I), mapped.

    Args:
        networks: the trained ones.
        noise: fixed draws that the embedding is averaged over.
        mapper: of features, CSEM, or nothing where features are compared as they are.
    """

    def __init__(self, networks: Networks, noise: FixedNoise, *mapper: nn.Module) -> None:
        super().__init__()
        self.text_encoder, self.noise = networks.text_encoder, noise
        self.generator, self.mapper = networks.generator, nn.Sequential(*mapper)

    def forward(self, text: torch.Tensor) -> torch.Tensor:
        """Map (B, T) -> (B, E), or (B, I) without a mapper."""
        mu, log_sigma = self.text_encoder(text)
        return self.noise.average(mu, log_sigma.exp(), self._found)

    def _found(self, latents: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.mapper(self.generator(latents, z))
        return found
