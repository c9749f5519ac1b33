"""The CSEM of `zscrgan`: a kernel machine whose M-step is solved exactly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from zscr.train.methods.ridge import ridge

JITTER = 1e-4  # on the diagonal: landmarks may coincide, and float32 sums round


@dataclass(frozen=True)
class Sums:
    """What a solution depends on: Kᵀ W K (L, L) and Kᵀ W Y (L, E) over rows with weights W."""

    gram: torch.Tensor
    cross: torch.Tensor

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.gram + other.gram, self.cross + other.cross)


class KernelCsem(nn.Module):
    """Map a scaled image feature to the latent's space by k(x, landmarks) · weights.

    k is the Gaussian kernel exp(-width |x - l|²); with L landmarks among the seen images this is
    the Nyström form of kernel ridge regression (Williams and Seeger, NIPS 2000). It reads as a
    Gaussian likelihood of the latent with a Gaussian prior on the map, whose M-step has a closed
    form.
    """

    landmarks: torch.Tensor
    weights: torch.Tensor

    def __init__(self, count: int, image_dim: int, embed_dim: int, width: float) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("landmarks", torch.zeros(count, image_dim))
        self.register_buffer("weights", torch.zeros(count, embed_dim))

    def place(self, images: torch.Tensor, noise: torch.Generator) -> None:
        """Draw the landmarks among scaled images (N, I); all of them, some twice, if N < L."""
        order = torch.randperm(len(images), generator=noise, device=images.device)
        chosen = torch.arange(len(self.landmarks), device=images.device) % len(images)
        self.landmarks.copy_(images[order[chosen]])

    def replace_last(self, images: torch.Tensor) -> None:
        """Put scaled images (N, I) in place of the last N landmarks.

        Landmarks are in random order, so that those that stay are a random choice, too.
        """
        self.landmarks[len(self.landmarks) - len(images) :] = images

    def kernel(self, images: torch.Tensor) -> torch.Tensor:
        """Return k of scaled images (B, I) with the landmarks -> (B, L), in the images' precision.

        What is solved for is summed in double: the kernel of near landmarks, or of a small width,
        is nearly singular, and sums in float32 are off by more than its smaller eigenvalues.
        """
        landmarks = self.landmarks.to(images.dtype)
        lengths = images.square().sum(1, keepdim=True) + landmarks.square().sum(1)
        return torch.exp(-self.width * (lengths - 2 * images @ landmarks.T))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (B, I) -> (B, E)."""
        return self.kernel(images) @ self.weights

    def solve(self, sums: Sums, penalty: float | torch.Tensor) -> torch.Tensor:
        """Return the weights (L, E) that minimise Σ w |k W - y|² + penalty · tr(Wᵀ K W)."""
        landmarks = self.landmarks.double()
        eye = torch.eye(len(landmarks), device=landmarks.device)
        left = sums.gram + penalty * self.kernel(landmarks) + JITTER * eye
        return ridge(left, sums.cross.double()).float()
