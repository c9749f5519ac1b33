"""The losses of the improved mode: per sample, every other row of the batch being a negative."""

from __future__ import annotations

import torch
from torch.nn import functional

from zscr.train.methods.zscrgan.embedding import unit
from zscr.train.methods.zscrgan.networks import Critic


def contrastive_loss(left: torch.Tensor, right: torch.Tensor, scale: float) -> torch.Tensor:
    """InfoNCE both ways between rows (B, E) that belong together (van den Oord et al. 2018).

    The rows of a batch are of B different classes. `scale` is the inverse temperature.

    >>> round(float(contrastive_loss(torch.eye(2), torch.eye(2), 1.0)), 4)
    0.3133
    """
    scores = scale * unit(left) @ unit(right).T
    own = torch.arange(len(scores), device=scores.device)
    both = functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)
    return both / 2


def gradient_penalty(
    critic: Critic, real: torch.Tensor, fake: torch.Tensor, text: torch.Tensor, share: torch.Tensor
) -> torch.Tensor:
    """(|∇D| - 1)² between real and fake rows (B, I) (Gulrajani et al., NIPS 2017, eq. 3).

    Args:
        share: (B, 1), how much of the real row each point between them has.
    """
    between = (share * real + (1 - share) * fake).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between, text).sum(), between, create_graph=True)
    excess: torch.Tensor = slope.norm(dim=1) - 1
    return excess.square().mean()
