"""Triplet losses: an anchor is to be nearer to a positive than to a negative, by a margin."""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional

from zscr.train.methods.losses import unit

Distance = Literal["euclidean", "cosine"]
DISTANCES: tuple[Distance, ...] = ("euclidean", "cosine")


def triplet_loss(
    anchor: torch.Tensor,
    positive: torch.Tensor,
    negative: torch.Tensor,
    margin: float,
    distance: Distance = "euclidean",
) -> torch.Tensor:
    """Return the mean of max(0, margin + d(a, p) - d(a, n)) over rows (B, E).

    `euclidean` is the distance of rows as they are, of any length (ZSE-SBIR: margin 1); `cosine` is
    1 - cos (Sketch_LVM, DRCPL: margin .3).

    >>> a, p, n = torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 5.5]])
    >>> round(float(triplet_loss(a, p, n, 1.0)), 4)
    0.5
    """
    if distance == "euclidean":
        near, far = (torch.linalg.vector_norm(anchor - one, dim=1) for one in (positive, negative))
    else:
        near, far = (1 - (unit(anchor) * unit(one)).sum(1) for one in (positive, negative))
    return functional.relu(margin + near - far).mean()
