"""One step of contrastive learning: a large batch in chunks, on one device or on several.

The loss L of a batch sees all embeddings e_1 … e_B at once, but the gradient of the weights falls
apart along any cut of the batch into chunks c:

    dL/dw = Σ_c (de_c/dw)' dL/de_c.

So the embeddings are computed without a graph, L and dL/de from them, and then each chunk again
with its graph, which takes dL/de_c (GradCache: Gao et al., RepL4NLP 2021). Nothing is approximated.
Chunks are shared out among ranks: each adds its own to the sum over c, which is then taken over the
ranks once. Dropout is the same both times and on any rank, because each chunk has its own seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import nn

from zscr.train.methods.losses import info_nce
from zscr.train.methods.seeded import seeded
from zscr.train.ranks import add_over_ranks, own_rank, rank_count

Embeddings = tuple[torch.Tensor, torch.Tensor]  # of images and of texts, (B, E) each


@dataclass(frozen=True)
class Chunk:
    """Pairs that are encoded at once.

    Attributes:
        batch: (C,) their numbers; start: the place of the first in the batch.
        seed: of what is random while they are encoded, such as dropout.
    """

    batch: torch.Tensor
    start: int
    seed: int

    @property
    def span(self) -> slice:
        """Their places in the batch."""
        return slice(self.start, self.start + len(self.batch))


def cut(batch: torch.Tensor, size: int, ranks: int, seeds: Iterator[int]) -> list[Chunk]:
    """Cut a batch evenly into chunks of at most `size` pairs, as many for each rank.

    Args:
        batch: (B,) with a pair or more for each rank.
        size: pairs whose graph is kept at once; ranks: that share out the chunks.
        seeds: of which each chunk takes one.
    """
    count = ranks * -(-len(batch) // (size * ranks))
    parts = torch.tensor_split(batch, count)
    starts = accumulate((len(part) for part in parts[:-1]), initial=0)
    return [Chunk(*one, next(seeds)) for one in zip(parts, starts, strict=True)]


def backward(
    towers: nn.Module,
    encode: Callable[[torch.Tensor], Embeddings],
    chunks: Sequence[Chunk],
    hidden: torch.Tensor,
    log_scale: torch.Tensor,
) -> torch.Tensor:
    """Set the gradients of a batch's InfoNCE; return the loss, detached.

    Args:
        towers: whose parameters get the gradients, `log_scale` among them.
        encode: embeds the pairs of these numbers, by the towers.
        chunks: of the whole batch, the same on every rank.
        hidden: (B, B) which pairs are no negatives (see `info_nce`).
        log_scale: logarithm of the inverse temperature.
    """
    towers.zero_grad()
    own = chunks[own_rank() :: rank_count()]
    kept = len(own) == 1  # its graph, which need not be made twice then
    with torch.set_grad_enabled(kept):
        found = [_encoded(encode, chunk) for chunk in own]
    whole = _gathered(found, own, len(hidden))
    loss = info_nce(*whole, log_scale.exp(), hidden)
    *gradients, log_scale.grad = torch.autograd.grad(loss, (*whole, log_scale))
    for chunk, embedded in zip(own, found, strict=True):
        again = embedded if kept else _encoded(encode, chunk)
        _pass_on(again, [rows[chunk.span] for rows in gradients])
    _add_gradients(towers, log_scale)
    return loss.detach()


def _pass_on(embedded: Embeddings, gradients: Sequence[torch.Tensor]) -> None:
    """Take the gradients of embeddings on to the weights; a locked tower has none that learn."""
    parts = zip(embedded, gradients, strict=True)
    learnt = [(rows, gradient) for rows, gradient in parts if rows.requires_grad]
    torch.autograd.backward([rows for rows, _ in learnt], [gradient for _, gradient in learnt])


def _encoded(encode: Callable[[torch.Tensor], Embeddings], chunk: Chunk) -> Embeddings:
    with seeded(chunk.seed, chunk.batch.device):
        images, texts = (_at_least_float32(rows) for rows in encode(chunk.batch))
    return images, texts


def _at_least_float32(rows: torch.Tensor) -> torch.Tensor:
    """Return embeddings for the loss, which is not computed in the towers' bfloat16."""
    return rows.to(torch.promote_types(rows.dtype, torch.float32))


def _gathered(found: Sequence[Embeddings], own: Sequence[Chunk], count: int) -> Embeddings:
    """Return the embeddings of the whole batch, (B, E) each, without a graph.

    Each row is filled by one rank and zero on the others, so the sum over ranks is a gather.
    """
    first, _ = found[0]
    whole = [first.new_zeros(count, first.shape[1]) for _ in range(2)]
    for rows, parts in zip(whole, zip(*found, strict=True), strict=True):
        for chunk, part in zip(own, parts, strict=True):
            rows[chunk.span] = part.detach()
    add_over_ranks(whole)
    images, texts = (rows.requires_grad_() for rows in whole)
    return images, texts


def _add_gradients(towers: nn.Module, log_scale: torch.Tensor) -> None:
    """Sum the gradients over ranks; that of the scale is whole on each, and counts once."""
    if own_rank() and log_scale.grad is not None:
        log_scale.grad.zero_()
    gradients = [one.grad for one in towers.parameters() if one.grad is not None]
    add_over_ranks(gradients)
