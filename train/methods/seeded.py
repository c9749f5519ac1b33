"""What is random in modules, such as dropout, by a seed of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_SEEDS = 2**62


def draw_seeds(count: int, noise: torch.Generator) -> list[int]:
    """Draw a seed for each of some updates at once, as they are waited for."""
    seeds = torch.randint(_SEEDS, (count,), generator=noise, device=noise.device)
    drawn: list[int] = seeds.tolist()
    return drawn


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from torch's own generators, which modules know alone, by a seed; then as before."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
