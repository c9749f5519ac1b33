"""What is behind the towers: pooled features of both domains, scaled each and mapped by one map."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from zscr.train.methods.cmaan.rows import DOMAINS
from zscr.train.methods.cmaan.start import code_map
from zscr.train.methods.losses import unit
from zscr.train.methods.scaling import Scaling

FLOOR = 1e-6  # below the root of pooled features, which are about 1


class Projection(nn.Module):
    """Pooled features (B, D) of sketches or images -> unit rows (B, E).

    Each domain is centred by its own mean: what tells a sketch from an image says nothing of what
    they show. In training a share of the features is dropped.
    """

    def __init__(self, width: int, dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.scalings = nn.ModuleDict(
            {domain: Scaling(width, rooted=True, floor=FLOOR) for domain in DOMAINS}
        )
        self.dropout = nn.Dropout(dropout)
        self.map = nn.Linear(width, dim, bias=False)

    @torch.no_grad()
    def fit(self, pooled: Mapping[str, torch.Tensor]) -> None:
        """Take the means of seen rows (N, D) by domain."""
        for domain, rows in pooled.items():
            self._scaling(domain).fit(rows)

    @torch.no_grad()
    def begin(
        self,
        pooled: Mapping[str, torch.Tensor],
        classes: Mapping[str, torch.Tensor],
        penalty: float,
    ) -> None:
        """Take the map in closed form of seen rows (N, D) and their classes (N,) by domain."""
        rows = torch.cat([self._scaling(domain)(rows) for domain, rows in pooled.items()])
        owners = torch.cat([classes[domain] for domain in pooled])
        dim, count = self.map.out_features, int(owners.max()) + 1
        self.map.weight.copy_(code_map(rows, owners, count, penalty, dim).T)

    def forward(self, domain: str, pooled: torch.Tensor) -> torch.Tensor:
        """Embed pooled features of a domain."""
        return unit(self.map(self.dropout(self._scaling(domain)(pooled))))

    def _scaling(self, domain: str) -> Scaling:
        found = self.scalings[domain]
        assert isinstance(found, Scaling)
        return found
