"""The optimizer of `cmaan`, whose parts learn at rates of their own."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from zscr.train.methods.cmaan.config import Config

Parameters = Iterable[nn.Parameter]


def adamw_of(
    config: Config, towers: Parameters, heads: Parameters, proxies: Parameters
) -> torch.optim.Optimizer:
    """Return AdamW: towers at `lr`, the others at `head_lr`; the classes' vectors do not decay."""
    rates = {"lr": config.lr, "highest": config.lr}
    head_rates = {"lr": config.head_lr, "highest": config.head_lr}
    groups = [
        {"params": [*towers], **rates},
        {"params": [*heads], **head_rates},
        {"params": [*proxies], **head_rates, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, weight_decay=config.weight_decay)


def set_rates(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Let each part learn at a share of its highest rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["highest"] * share
