"""What the deployed parts of both methods share: fixed noise of queries, and the gallery head."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from zscr.train.methods.contract import Head, Port
from zscr.train.methods.losses import unit
from zscr.train.methods.zscrgan.noise import draw_eps, draw_z


class FixedNoise(nn.Module):
    """K fixed draws of eps (K, E) and z (K, Z) that a query's embedding is averaged over.

    They are the same for every text, call and run. With K = 0 a query has the noise's mean,
    eps = 0 and z = 0.
    """

    eps: torch.Tensor
    z: torch.Tensor

    def __init__(self, samples: int, embed_dim: int, z_dim: int) -> None:
        super().__init__()
        fixed = torch.Generator().manual_seed(0)
        self.register_buffer("eps", draw_eps((samples, embed_dim), fixed))
        self.register_buffer("z", draw_z((samples, z_dim), fixed))

    def average(
        self,
        mean: torch.Tensor,
        spread: torch.Tensor | float,
        embed: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    ) -> torch.Tensor:
        """Average embeddings of the latents mean + spread · eps -> unit rows (B, E).

        Args:
            mean: (B, E) of the latents.
            spread: the latents' deviation, (B, E) or one number.
            embed: maps latents (B, E) and z (B, Z) -> rows (B, E), of any length.
        """
        rows = mean.shape[0]  # and not len(mean), which a trace would take for a constant
        if len(self.eps) == 0:
            silent = torch.zeros_like(mean[:, :1]).expand(-1, self.z.shape[1])
            return unit(embed(mean, silent))
        draws = [
            unit(embed(mean + spread * eps, z.expand(rows, -1)))
            for eps, z in zip(self.eps, self.z, strict=True)
        ]
        return unit(torch.stack(draws).mean(0))


class GalleryHead(nn.Module):
    """Embeds image features (B, I) -> unit rows (B, E), through modules in their order, if any."""

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.Sequential(*parts)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (B, I) -> (B, E)."""
        return unit(self.parts(image))


def text_and_gallery(query: nn.Module, gallery: nn.Module) -> dict[str, Head]:
    """Name the two heads, and what feeds them."""
    return {
        "text": Head(query, (Port("text"),), "query"),
        "gallery": Head(gallery, (Port("image"),), "gallery"),
    }
