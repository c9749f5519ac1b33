"""Scaling of `zscrgan`'s texts: a fixed map in closed form, fitted on seen classes only."""

from __future__ import annotations

import torch
from torch import nn

from zscr.train.methods.losses import unit
from zscr.train.tables import Tensors, group_means

ROUNDING = 1e-5  # singular values below this share of the largest are rounding of float32


class TextScaling(nn.Module):
    """Texts in the principal axes of the seen classes, whitened as far as a shrinkage allows.

    Axis i, of singular value s_i among the centred class means, is scaled by
    1 / sqrt(s_i² / s_1² + shrink): a large `shrink` keeps the axes' lengths, a small one evens
    them out, so that the few directions in which all seen classes differ do not decide alone.
    """

    mean: torch.Tensor
    axes: torch.Tensor

    def __init__(self, text_dim: int, embed_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(text_dim))
        self.register_buffer("axes", torch.zeros(text_dim, embed_dim))

    def fit(self, texts: Tensors, shrink: float) -> None:
        """Find the axes of the seen classes' mean texts; columns beyond their rank stay zero."""
        means = group_means(texts)
        self.mean.copy_(means.mean(0))
        _, values, axes = torch.linalg.svd(means - self.mean, full_matrices=False)
        # Centred means span an axis less than there are: the last one is rounding, and points
        # anywhere.
        kept = min(int((values > ROUNDING * values[0]).sum()), self.axes.shape[1])
        gain = ((values / values[0]).square() + shrink).rsqrt()
        self.axes.zero_()[:, :kept] = (axes.T * gain)[:, :kept]

    def forward(self, texts: torch.Tensor) -> torch.Tensor:
        """Map (B, T) -> unit rows (B, E)."""
        return unit((texts - self.mean) @ self.axes)
