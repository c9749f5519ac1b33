"""Pairs of an image and a text: which are drawn together, and which are no negatives."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from zscr.train.tables import TensorSplit, owners


@dataclass(frozen=True)
class Pairs:
    """Every text of a split with its item's image.

    Attributes:
        images: (N, …) one row an item; texts: (M, …).
        owner: (M,) the row of `images` that each text belongs to.
        image_content, text_content: (M,) numbers that are equal where the rows are.
    """

    images: torch.Tensor
    texts: torch.Tensor
    owner: torch.Tensor
    image_content: torch.Tensor
    text_content: torch.Tensor

    @classmethod
    def of(cls, split: TensorSplit) -> Pairs:
        """Pair the tables `text` and `image`, whose groups are items of one image each."""
        images, texts = split["image"], split["text"]
        owner = owners(texts)  # an item has one image, so its number is that of its row
        image_content = content_numbers(images.rows)[owner]
        return cls(images.rows, texts.rows, owner, image_content, content_numbers(texts.rows))

    def batches(self, size: int, noise: torch.Generator) -> Iterator[torch.Tensor]:
        """Yield the texts' numbers in random order, `size` at a time: each text once.

        What is left at the end is a smaller batch only if it is all that there is.
        """
        order = torch.randperm(len(self.texts), generator=noise, device=noise.device)
        for start in range(0, max(len(order) - size, 0) + 1, size):
            yield order[start : start + size]

    def hidden(self, batch: torch.Tensor) -> torch.Tensor:
        """Return (B, B) bool: which pairs of a batch are no negatives of each other.

        A caption that two images have, and an image that two captions of the batch have, would
        each be pushed away from what it belongs to.
        """
        images, texts = self.image_content[batch], self.text_content[batch]
        same = (images[:, None] == images) | (texts[:, None] == texts)
        return same.fill_diagonal_(False)


def content_numbers(rows: torch.Tensor) -> torch.Tensor:
    """Return (N,) a number for each of N rows, the same for rows of the same bytes."""
    known: dict[bytes, int] = {}
    hashes = (hashlib.sha256(row.tobytes()).digest() for row in rows.cpu().numpy())
    numbers = [known.setdefault(one, len(known)) for one in hashes]
    return torch.tensor(numbers, device=rows.device)
