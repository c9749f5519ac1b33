"""How a trained ZSCRGAN embeds queries: deterministically, with fixed noise or none."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from zscr.train.methods.zscrgan.networks import Networks
from zscr.train.methods.zscrgan.noise import draw_eps, draw_z, latent


class QueryNoise(nn.Module):
    """K fixed draws of eps (K, E) and z (K, Z) that a query's embedding averages over.

    The draws are the same for every text and call, and are no part of a checkpoint. With K = 0 a
    query has the mean of the noise, eps = 0 and z = 0.
    """

    eps: torch.Tensor
    z: torch.Tensor

    def __init__(self, embed_dim: int, z_dim: int) -> None:
        super().__init__()
        self.register_buffer("eps", torch.empty(0, embed_dim), persistent=False)
        self.register_buffer("z", torch.empty(0, z_dim), persistent=False)

    def draw(self, samples: int) -> None:
        """Draw K = `samples` anew, always the same."""
        fixed = torch.Generator().manual_seed(0)
        self.eps = draw_eps((samples, self.eps.shape[1]), fixed).to(self.eps.device)
        self.z = draw_z((samples, self.z.shape[1]), fixed).to(self.z.device)


def embed_query(text: torch.Tensor, networks: Networks, noise: QueryNoise) -> torch.Tensor:
    """Embed texts (B, T) -> unit rows (B, E): CSEM of the imagined image feature."""
    generator, csem = networks.generator, networks.csem
    mu, log_sigma = networks.text_encoder(text)
    if len(noise.eps) == 0:
        silent = torch.zeros_like(mu[:, :1]).expand(-1, noise.z.shape[1])
        return unit(csem(generator(mu, silent)))
    rows = mu.shape[0]  # and not len(mu), which a trace would take for a constant
    draws = [
        unit(csem(generator(latent(mu, log_sigma, eps), z.expand(rows, -1))))
        for eps, z in zip(noise.eps, noise.z, strict=True)
    ]
    return unit(torch.stack(draws).mean(0))


def unit(rows: torch.Tensor) -> torch.Tensor:
    """Scale rows (B, E) to length 1."""
    return functional.normalize(rows, dim=1, eps=1e-12)
