"""The noise of ZSCRGAN: eps of the latents and z of the generator, drawn for many rows at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

EPS_LIMIT = 2.0  # eps is a normal truncated at two standard deviations


def draw_eps(shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Draw standard normals truncated at |2| (their deviation is 0.8796).

    By the inverse of their distribution: torch's `trunc_normal_` draws again what falls outside
    and waits for the device to know whether any did.
    """
    within = math.erf(EPS_LIMIT / math.sqrt(2))
    eps = torch.empty(*shape, device=generator.device)
    eps.uniform_(-within, within, generator=generator).erfinv_().mul_(math.sqrt(2))
    return eps.clamp_(-EPS_LIMIT, EPS_LIMIT)  # of what rounding puts outside


def draw_latents(
    means: torch.Tensor, spread: torch.Tensor | float, noise: torch.Generator
) -> torch.Tensor:
    """Draw latents (B, E) around their means, by eps times a spread: (B, E), or one number."""
    return means + spread * draw_eps(means.shape, noise)


def draw_z(shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Draw standard normals."""
    return torch.randn(*shape, generator=generator, device=generator.device)
