"""Losses that several methods share."""

from __future__ import annotations

import torch
from torch.nn import functional


def info_nce(left: torch.Tensor, right: torch.Tensor, scale: float | torch.Tensor) -> torch.Tensor:
    """InfoNCE both ways between rows (B, E) that belong together (van den Oord et al. 2018).

    Every other row of the batch is a negative, so no two rows should be of one class. Rows are
    compared by cosine; `scale` is the inverse temperature.

    >>> round(float(info_nce(torch.eye(2), torch.eye(2), 1.0)), 4)
    0.3133
    """
    scores = scale * unit(left) @ unit(right).T
    own = torch.arange(len(scores), device=scores.device)
    both = functional.cross_entropy(scores, own) + functional.cross_entropy(scores.T, own)
    return both / 2


def unit(rows: torch.Tensor) -> torch.Tensor:
    """Scale rows (..., E) to length 1."""
    return functional.normalize(rows, dim=-1, eps=1e-12)
