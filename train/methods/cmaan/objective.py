"""What sketches and images of classes are trained by: each other, and a vector of each class."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from zscr.train.methods.losses import unit


def class_info_nce(
    left: torch.Tensor, right: torch.Tensor, classes: torch.Tensor, temperature: float
) -> torch.Tensor:
    """InfoNCE both ways between unit rows (B, E) of the same classes (B,).

    With scores s_ij = cos(left_i, right_j) / temperature and P_i the rows of i's class, the mean
    over i and over j in P_i of -log(exp s_ij / Σ_k exp s_ik), averaged with the same of the
    columns: the supervised contrastive loss (Khosla et al., NeurIPS 2020) between two domains.

    >>> rows = torch.eye(2)
    >>> round(float(class_info_nce(rows, rows, torch.tensor([0, 1]), 1.0)), 4)
    0.3133
    """
    scores = left @ right.T / temperature
    same = (classes[:, None] == classes).to(scores.dtype)
    wanted = same / same.sum(1, keepdim=True)  # symmetric: classes have as many rows on both sides
    both = functional.cross_entropy(scores, wanted) + functional.cross_entropy(scores.T, wanted)
    return both / 2


class Proxies(nn.Module):
    """A trained vector of each fitted class (Movshovitz-Attias et al., ICCV 2017).

    There are none before `begin`; weights that are loaded bring their own number.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.zeros(0, dim))

    def begin(
        self, embedded: Mapping[str, torch.Tensor], classes: Mapping[str, torch.Tensor]
    ) -> None:
        """Begin at the classes' means over domains: of rows (N, E) of classes (N,) by domain."""
        means = [_class_means(rows, classes[domain]) for domain, rows in embedded.items()]
        self.vectors.data = unit(torch.stack(means).sum(0))

    def forward(
        self, rows: torch.Tensor, classes: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        """Return the cross-entropy of unit rows (B, E) of these classes (B,) against all."""
        return functional.cross_entropy(rows @ unit(self.vectors).T / temperature, classes)

    def _load_from_state_dict(
        self, state_dict: dict[str, torch.Tensor], prefix: str, *rest: object
    ) -> None:
        if (found := state_dict.get(f"{prefix}vectors")) is not None:
            self.vectors.data = self.vectors.new_empty(found.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _class_means(rows: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    """Average the rows (N, E) of each class -> (C, E)."""
    counts = classes.bincount()
    sums = rows.new_zeros(len(counts), rows.shape[1]).index_add_(0, classes, rows)
    return sums / counts[:, None]
