"""Losses that several methods share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch.nn import functional


def info_nce(
    left: torch.Tensor,
    right: torch.Tensor,
    scale: float | torch.Tensor,
    hidden: torch.Tensor | None = None,
) -> torch.Tensor:
    """InfoNCE both ways between rows (B, E) that belong together (van den Oord et al. 2018).

    With scores s_ij = scale · cos(left_i, right_j), and N_i the rows that are no negatives of i,
    the mean over i of -log(exp s_ii / Σ_{j ∉ N_i} exp s_ij), averaged with the same of the columns.

    Args:
        left, right: (B, E), compared by cosine.
        scale: the inverse temperature.
        hidden: (B, B) bool and symmetric, true where j ∈ N_i; the diagonal is false. None where
            every other row is a negative, so that no two rows should be of one class.

    >>> round(float(info_nce(torch.eye(2), torch.eye(2), 1.0)), 4)
    0.3133
    """
    scores = scale * unit(left) @ unit(right).T
    if hidden is not None:  # exp(-inf) adds nothing to a sum, and no gradient comes through it
        scores = scores.masked_fill(hidden, -torch.inf)
    own = torch.arange(len(scores), device=scores.device)
    both = functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)
    return both / 2


def mean_losses(losses: Sequence[Mapping[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Average each loss over the updates of a round, without waiting for the device."""
    return {name: torch.stack([one[name] for one in losses]).mean() for name in losses[0]}


def unit(rows: torch.Tensor) -> torch.Tensor:
    """Scale rows (..., E) to length 1."""
    return functional.normalize(rows, dim=-1, eps=1e-12)
