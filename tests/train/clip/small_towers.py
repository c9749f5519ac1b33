"""Two small networks and one batch, whose gradients the tests compare."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from zscr.train.methods.clip.step import backward, cut
from zscr.train.ranks import rank_count

BATCH = 12


class Towers(nn.Module):
    """Two small networks with dropout, and the scale."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        self.rows = [torch.randn(BATCH, 6, generator=generator) for _ in range(2)]
        self.image, self.text = (
            nn.Sequential(nn.Dropout(dropout), nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 4))
            for _ in range(2)
        )
        for weights in self.parameters():
            nn.init.normal_(weights, generator=generator)
        self.log_scale = nn.Parameter(torch.tensor(1.5))
        self.hidden = torch.zeros(BATCH, BATCH, dtype=torch.bool)
        self.hidden[2, 9] = self.hidden[9, 2] = True

    def encode(self, batch: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        images, texts = self.rows
        return self.image(images[batch]), self.text(texts[batch])


def seeds() -> Iterator[int]:
    return iter(range(100, 200))


def gradients(dropout: float, size: int) -> list[torch.Tensor]:
    """Return the loss and the gradients of one batch, in chunks of a size."""
    towers = Towers(dropout).double()
    towers.rows = [rows.double() for rows in towers.rows]
    chunks = cut(torch.arange(BATCH), size, rank_count(), seeds())
    loss = backward(towers, towers.encode, chunks, towers.hidden, towers.log_scale)
    return [loss, *(one.grad for one in towers.parameters())]
