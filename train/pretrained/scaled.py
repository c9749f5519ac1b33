"""Pixels of 8 bits, as raw encoders keep them, scaled as a checkpoint's processor does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


class Scaled(nn.Module):
    """Map pixels (B, 3, S, S) of 8 bits to float32: (p · rescale - mean) / std of each channel.

    Its numbers are in no checkpoint: they are the processor's.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, preprocess: Mapping[str, Any]) -> None:
        super().__init__()
        self.rescale = float(preprocess["rescale"])
        for name in ("mean", "std"):
            values = torch.tensor(preprocess[name]).reshape(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Scale a batch."""
        return (pixels.float() * self.rescale - self.mean) / self.std
