"""The gradient penalty that keeps the critic of `zscrgan` a Wasserstein critic."""

from __future__ import annotations

import torch

from zscr.train.methods.zscrgan.networks import Critic


def gradient_penalty(
    critic: Critic, real: torch.Tensor, fake: torch.Tensor, text: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """(|∇D| - 1)² between real and fake rows (B, I) (Gulrajani et al., NIPS 2017, eq. 3).

    Args:
        critic: D.
        real, fake: images (B, I).
        text: (B, E), what D judges them beside.
        share: (B, 1), how much of the real row each point between them has.
    """
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between, text).sum(), between, create_graph=True)
    excess: torch.Tensor = slope.norm(dim=1) - 1
    return excess.square().mean()
