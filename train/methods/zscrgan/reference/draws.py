"""All that a round leaves to chance, as values: its batches' rows, and the noise of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from zscr.train.methods.zscrgan.draws import Draws
from zscr.train.methods.zscrgan.noise import draw_eps, draw_z
from zscr.train.methods.zscrgan.reference.config import Config

M_CHUNK = 20  # CSEM updates whose features the CPU imagines in one pass; bounds the memory


@dataclass(frozen=True)
class Iteration:
    """k critic updates, then one generator update.

    Attributes:
        rows: of k + 1 batches (k+1, B), the last one the generator's.
        eps: (k+S, B, E), z: (k+S, B, Z). The first k belong to the critic's batches, whose right
            branch alone is imagined; the last S to the generator's right and wrong branch.
    """

    rows: Draws
    eps: torch.Tensor
    z: torch.Tensor


@dataclass(frozen=True)
class CsemChunk:
    """Some CSEM updates.

    Attributes:
        rows: of n batches (n, B).
        eps: (S, n, B, E), z: (S, n, B, Z), of the right and the wrong branch.
    """

    rows: Draws
    eps: torch.Tensor
    z: torch.Tensor


RoundDraws = Iterator[Iteration | CsemChunk]


def noise_of(config: Config, rows: Draws, noise: torch.Generator) -> RoundDraws:
    """Draw the noise of a round's batches as it goes on: all iterations, then CSEM's chunks.

    Args:
        config: the settings.
        rows: of all the round's batches, in their order.
        noise: what is drawn from.
    """
    turn, steps = config.critic_updates + 1, config.e_steps
    on_gpu = noise.device.type == "cuda"  # which holds a whole round's noise
    chunk = steps if on_gpu else 1
    for start in range(0, steps, chunk):
        eps, z = _pair(config, (chunk, config.critic_updates + config.branches), noise)
        for i in range(chunk):
            batches = rows[(start + i) * turn : (start + i + 1) * turn]
            yield Iteration(batches, eps[i], z[i])
    rest, chunk = rows[steps * turn :], config.csem_updates if on_gpu else M_CHUNK
    for start in range(0, config.csem_updates, max(1, chunk)):
        batches = rest[start : start + chunk]
        eps, z = _pair(config, (config.branches, len(batches.texts)), noise)
        yield CsemChunk(batches, eps, z)


def _pair(
    config: Config, batches: tuple[int, int], noise: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw eps (…, B, E), then z (…, B, Z)."""
    eps = draw_eps((*batches, config.batch_size, config.embed_dim), noise)
    return eps, draw_z((*batches, config.batch_size, config.z_dim), noise)
