"""Chooses the classes that a split holds out."""

from __future__ import annotations

import random
from collections.abc import Sequence

from zscr.errors import ConfigError


def hold_out(
    classes: Sequence[str], amount: float | int, *, seed: int, least: int = 1
) -> list[str]:
    """Return the held-out ones of `classes`, in their order: the same ones for the same seed.

    Args:
        classes: what to choose from; their order does not matter to the choice.
        amount: a share if it is a float in (0, 1), a number of classes if it is an int.
        seed: of the choice.
        least: the fewest to hold out when `amount` is a share.

    Raises:
        ConfigError: `amount` is out of range, or would leave no class behind.
    """
    share = isinstance(amount, float)
    if not (0 < amount < 1 if share else amount >= 1):
        raise ConfigError(f"cannot hold out {amount} classes; give a share in (0, 1) or a number")
    count = max(least, round(amount * len(classes))) if share else int(amount)
    if count >= len(classes):
        raise ConfigError(
            f"holding out {count} of {len(classes)} classes leaves none; hold out fewer"
        )
    chosen = set(random.Random(seed).sample(sorted(classes), count))
    return [name for name in classes if name in chosen]
