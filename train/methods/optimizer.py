"""The optimizer of methods that learn as CLIP does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


def adamw(learnt: Iterable[nn.Parameter], lr: float, weight_decay: float) -> torch.optim.Optimizer:
    """Return AdamW with CLIP's betas and epsilon; only matrices decay, not biases and scales."""
    weights = [*learnt]
    groups: list[dict[str, Any]] = [
        {"params": [one for one in weights if one.ndim > 1]},
        {"params": [one for one in weights if one.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr, (0.9, 0.98), 1e-6, weight_decay)
