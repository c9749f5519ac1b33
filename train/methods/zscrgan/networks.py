"""The four networks of ZSCRGAN (Roy et al., CIKM 2020), sized as in the released code."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

SLOPE = 0.2  # TensorFlow's leaky ReLU; PyTorch's default is 0.01


class TextEncoder(nn.Module):
    """Conditioning: a text's vector -> mean and log-sigma of its latent."""

    def __init__(self, text_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(text_dim, 2 * embed_dim)

    def forward(self, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Map (B, T) -> mu (B, E), log_sigma (B, E); both pass the leaky ReLU, as released."""
        mu, log_sigma = functional.leaky_relu(self.fc(text), SLOPE).chunk(2, dim=-1)
        return mu, log_sigma


class Generator(nn.Module):
    """Imagine an image feature from a latent and noise."""

    def __init__(self, embed_dim: int, z_dim: int, width: int, image_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim + z_dim, width)
        self.fc2 = nn.Linear(width, 2 * width)
        self.fc3 = nn.Linear(2 * width, image_dim)

    def forward(self, latent: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Map (B, E), (B, Z) -> non-negative (B, I), like the pooled features of a CNN."""
        hidden = functional.leaky_relu(self.fc1(torch.cat([latent, noise], -1)), SLOPE)
        hidden = functional.leaky_relu(self.fc2(hidden), SLOPE)
        return functional.relu(self.fc3(hidden))


class Csem(nn.Module):
    """Common-space embedding mapper: an image feature -> the latent's space."""

    def __init__(self, image_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.fc = nn.Linear(image_dim, embed_dim)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Map (B, I) -> (B, E)."""
        return functional.leaky_relu(self.fc(image), SLOPE)


class Critic(nn.Module):
    """Wasserstein critic of (image feature, raw text vector) pairs.

    The released first layer reads both concatenated; its two halves stand apart here, so that a
    row that is paired with two others goes through its half once.
    """

    def __init__(self, image_dim: int, text_dim: int, width: int) -> None:
        super().__init__()
        self.image = nn.Linear(image_dim, width)
        self.text = nn.Linear(text_dim, width, bias=False)
        self.score = nn.Linear(width, 1)

    def forward(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Map (B, I), (B, T) -> (B, 1)."""
        return self.judge(self.image(image), self.text(text))

    def judge(self, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Map the halves of the first layer, (B, d) each, -> (B, 1)."""
        return torch.as_tensor(self.score(functional.leaky_relu(image + text, SLOPE)))


@dataclass(frozen=True)
class Networks:
    """The four networks of a model."""

    text_encoder: TextEncoder
    generator: Generator
    csem: Csem
    critic: Critic


def initialise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw kernels from N(0, 0.02) and zero the biases, as released."""
    for name, parameter in module.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        else:
            nn.init.normal_(parameter, std=0.02, generator=generator)
