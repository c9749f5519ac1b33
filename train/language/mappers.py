"""Networks from an image's embedding to a word vector, with the names of the released weights."""

from __future__ import annotations

import torch
from torch import nn


class Im2Text(nn.Module):
    """Pic2Word's mapper (Saito et al., CVPR 2023): layers of Linear, Dropout, ReLU; a Linear.

    Dropout stands before ReLU. Its input is the image's projected embedding, not normalised.

    Args:
        dim: of the embedding; width: of a word vector.
        middle: of the layers between; layers: how many of these.
    """

    def __init__(
        self, dim: int, width: int, middle: int = 512, layers: int = 2, dropout: float = 0.1
    ) -> None:
        super().__init__()
        sizes = [dim, *[middle] * layers]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(before, behind), nn.Dropout(dropout), nn.ReLU())
                for before, behind in zip(sizes[:-1], sizes[1:], strict=True)
            )
        )
        self.fc_out = nn.Linear(sizes[-1], width)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map embeddings (B, D) -> word vectors (B, W)."""
        words: torch.Tensor = self.fc_out(self.layers(rows))
        return words


class Phi(nn.Module):
    """SEARLE's and LinCIR's mapper (Baldrati et al. 2023, Gu et al. 2024): Linear, GELU, Dropout.

    Its input is the image's projected embedding, not normalised.

    Args:
        dim: of the embedding; width: of a word vector.
        middle: of the two layers between; None is four times `dim`.
    """

    def __init__(
        self, dim: int, width: int, middle: int | None = None, dropout: float = 0.5
    ) -> None:
        super().__init__()
        middle = middle or 4 * dim
        self.layers = nn.Sequential(
            nn.Linear(dim, middle),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(middle, middle),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(middle, width),
        )

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Map embeddings (B, D) -> word vectors (B, W)."""
        words: torch.Tensor = self.layers(rows)
        return words
