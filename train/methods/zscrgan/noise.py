"""The noise of ZSCRGAN: eps of the latents and z of the generator, drawn for many rows at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

EPS_LIMIT = 2.0  # eps is a normal truncated at two standard deviations


def draw_eps(shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Draw standard normals truncated at |2| (their deviation is 0.8796)."""
    eps = torch.empty(*shape, device=generator.device)
    return nn.init.trunc_normal_(eps, a=-EPS_LIMIT, b=EPS_LIMIT, generator=generator)


def draw_z(shape: Sequence[int], generator: torch.Generator) -> torch.Tensor:
    """Draw standard normals."""
    return torch.randn(*shape, generator=generator, device=generator.device)


def latent(mu: torch.Tensor, log_sigma: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    """c = mu + exp(log_sigma) · eps: the latent (B, E) of a text."""
    return mu + log_sigma.exp() * eps
