"""The plain port's batches: built row by row as released, or spelt out from a round's draws."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from zscr.train.methods.zscrgan.draws import Draws
from zscr.train.methods.zscrgan.reference.config import Config
from zscr.train.methods.zscrgan.reference.draws import CsemChunk, Iteration
from zscr.train.tables import TensorSplit

Tensors = list[torch.Tensor]


@dataclass(frozen=True)
class Batch:
    """One update's rows: texts (B, T), images (B, I), those of the wrong class, and noise a side.

    Attributes:
        eps, z: of the right text, (B, E) and (B, Z), and of the wrong one.
    """

    text: torch.Tensor
    image: torch.Tensor
    wrong_text: torch.Tensor
    wrong_image: torch.Tensor
    eps: Tensors
    z: Tensors


def drawn_batches(draws: Iterable[Iteration | CsemChunk], rows: TensorSplit) -> Iterator[Batch]:
    """Spell out what a round has drawn from a split's tables, an update at a time."""
    for part in draws:
        if isinstance(part, CsemChunk):
            for number in range(len(part.rows.texts)):
                noise = part.eps[:, number], part.z[:, number]
                yield _batch(part.rows[number], rows, *noise)
        else:
            last = len(part.rows.texts) - 1
            for number in range(last):
                noise = part.eps[number, None], part.z[number, None]
                yield _batch(part.rows[number], rows, *noise)
            yield _batch(part.rows[last], rows, part.eps[last:], part.z[last:])


def _batch(draws: Draws, rows: TensorSplit, eps: torch.Tensor, z: torch.Tensor) -> Batch:
    """Take one update's rows; the number after a table's last row stands for zeros."""

    def taken(name: str, index: torch.Tensor) -> torch.Tensor:
        table = rows[name].rows
        there = index < len(table)
        return table[index.where(there, 0)] * there[:, None]

    return Batch(
        taken("text", draws.texts),
        taken("image", draws.images),
        taken("text", draws.wrong_texts),
        taken("image", draws.wrong_images),
        list(eps),
        list(z),
    )


def repeated(count: int, size: int, rng: np.random.Generator) -> list[int]:
    """Fill a batch of at least all classes: their list repeated, a sample of it, permuted."""
    labels = list(range(count)) * (size // count)
    labels += rng.choice(count, size % count, replace=False).tolist()
    rng.shuffle(labels)
    return labels


def numpy_batches(
    images: npt.NDArray[np.float32],
    texts: npt.NDArray[np.float32],
    config: Config,
    device: torch.device | str,
) -> Iterator[Batch]:
    """Build batches row by row as released: slices of classes, round-robin images, zero tails.

    A batch of at least all classes repeats their list and takes its last rows from it at random.

    Args:
        images: (C, n, I), n images a class; texts: (C, T).
        config: the settings; whatever they say, the previous row's class is the wrong one here.
        device: where each fresh batch is copied to.
    """

    def moved(array: npt.NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(array).to(device)

    rng, size, count = np.random.default_rng(config.seed), config.batch_size, len(texts)
    order, position, turn = list(range(count)), 0, [1] * count
    while True:
        image = np.zeros((size, images.shape[2]), np.float32)
        text = np.zeros((size, texts.shape[1]), np.float32)
        labels = order[position : position + size] if size < count else repeated(count, size, rng)
        for row, label in enumerate(labels):
            image[row], text[row] = images[label, turn[label] % images.shape[1]], texts[label]
            turn[label] += 1
        position += size
        if position >= count:
            rng.shuffle(order)
            position = 0
        z = [rng.standard_normal((size, config.z_dim), np.float32) for _ in range(2)]
        eps = [torch.empty(size, config.embed_dim, device=device) for _ in range(2)]
        yield Batch(
            moved(text),
            moved(image),
            moved(np.roll(text, 1, 0)),
            moved(np.roll(image, 1, 0)),
            [torch.nn.init.trunc_normal_(e, a=-2.0, b=2.0) for e in eps],
            [moved(noise) for noise in z],
        )
