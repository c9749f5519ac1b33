"""What the E-step of `zscrgan` trains: a text encoder and a generator, as small corrections."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from zscr.train.methods.ridge import ridge
from zscr.train.methods.zscrgan.networks import SLOPE


class Imagination(nn.Module):
    """From a scaled text to its latent's mean, and from a latent to a scaled image feature.

    Both start where closed forms put them: the text encoder at the identity, the generator at
    ridge regression onto the seen classes' mean images. With about a hundred classes to learn
    from, what is not corrected by the data should stay there.
    """

    def __init__(self, embed_dim: int, z_dim: int, width: int, image_dim: int) -> None:
        super().__init__()
        self.z_dim = z_dim
        self.correction = nn.Linear(embed_dim, embed_dim, bias=False)
        self.prototype = nn.Linear(embed_dim, image_dim)
        self.hidden = nn.Linear(embed_dim + z_dim, width)
        self.detail = nn.Linear(width, image_dim)

    @torch.no_grad()
    def initialise(self, noise: torch.Generator) -> None:
        """Zero the correction and the prototypes; draw small weights for the details."""
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
        for layer, gain in ((self.hidden, 1.0), (self.detail, 0.1)):
            nn.init.normal_(layer.weight, std=gain * layer.in_features**-0.5, generator=noise)

    @torch.no_grad()
    def start(self, latents: torch.Tensor, images: torch.Tensor, penalty: float) -> None:
        """Fit the prototypes: latents (N, E) of texts -> mean images (N, I) of their classes."""
        eye = torch.eye(latents.shape[1], device=latents.device)
        weights = ridge(latents.T @ latents + penalty * eye, latents.T @ images)
        self.prototype.weight.copy_(weights.T)

    def encode(self, texts: torch.Tensor) -> torch.Tensor:
        """Map scaled texts (B, E) -> means of their latents (B, E)."""
        moved: torch.Tensor = self.correction(texts)
        return texts + moved

    def imagine(self, latents: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        """Map latents (…, E) and noise (…, Z) -> scaled image features (…, I)."""
        hidden = functional.leaky_relu(self.hidden(torch.cat([latents, z], -1)), SLOPE)
        imagined: torch.Tensor = self.prototype(latents) + self.detail(hidden)
        return imagined
