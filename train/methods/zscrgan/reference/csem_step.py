"""CSEM's update and the gradient of its loss, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from zscr.train.methods.zscrgan.networks import Csem
from zscr.train.methods.zscrgan.reference import dense
from zscr.train.methods.zscrgan.reference.optimizers import TFAdam


@dataclass(frozen=True)
class Contrast:
    """log(1 + e^d) of mapped features (S, B, E) and latents (B, E), with its gradients.

    d is the mean cosine of the wrong mapped features with the latents less that of the right ones.
    """

    loss: torch.Tensor
    to_mapped: torch.Tensor
    to_latent: torch.Tensor


def contrast(mapped: torch.Tensor, latent: torch.Tensor) -> Contrast:
    """Compare right (and wrong) mapped features (S, B, E) with latents (B, E).

    The cosine of m and c has the gradient c / |m||c| - cos m / |m|² towards m, and likewise towards
    c. The factors are numbers a row, so each gradient passes the rows twice.
    """
    length, base = (
        torch.linalg.vector_norm(rows, dim=-1, keepdim=True).clamp_min_(1e-8)
        for rows in (mapped, latent)
    )
    both = length * base  # (S, B, 1)
    cosines = (mapped * latent).sum(-1, keepdim=True).div_(both)
    signs = cosines.new_ones(len(mapped), 1, 1)
    signs[0] = -1  # the right cosine shall rise, the wrong one fall
    exponent = (cosines * signs).sum() / mapped.shape[1]
    weights = signs * (torch.sigmoid(exponent) / mapped.shape[1])
    across, along = weights / both, weights * cosines
    to_mapped = (latent * across).addcmul_(mapped, along / length.square(), value=-1)
    to_latent = (mapped * across).sum(0).addcmul_(latent, along.sum(0) / base.square(), value=-1)
    return Contrast(functional.softplus(exponent), to_mapped, to_latent)


class CsemStep:
    """Moves CSEM by what the resting generator has imagined."""

    def __init__(self, csem: Csem, optimizer: TFAdam) -> None:
        self.csem, self.optimizer = csem, optimizer

    def __call__(self, latent: torch.Tensor, imagined: torch.Tensor) -> torch.Tensor:
        """Update CSEM once by latents (B, E) and imagined features (S, B, I); return the loss."""
        rows = imagined.flatten(0, 1)
        mapped = dense.leaky(dense.forward(self.csem.fc, rows))
        found = contrast(mapped.view(len(imagined), *latent.shape), latent)
        gradient = dense.leaky_back(found.to_mapped.flatten(0, 1), mapped)
        dense.keep(self.optimizer, self.csem.fc, rows, gradient)
        self.optimizer.update()
        return found.loss
