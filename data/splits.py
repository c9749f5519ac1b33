"""Chooses the classes or items that a split holds out."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence

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
    count = _counted(amount, len(classes), least, "classes")
    chosen = set(random.Random(seed).sample(sorted(classes), count))
    return [name for name in classes if name in chosen]


def split_items(
    ids: Sequence[str], held_out: Mapping[str, float | int], *, seed: int
) -> dict[str, str]:
    """Return the split of each item: those that are held out, and `seen` for the others.

    Splits take theirs from the start of `by_hash`, one after the other.

    Args:
        ids: of the items, at least one more than there are splits to hold out.
        held_out: split -> a share of all items if it is a float in (0, 1), a number if an int.
        seed: of the order.

    Raises:
        ConfigError: an amount is out of range, or they leave no item behind.
    """
    order, split_of, start = by_hash(ids, seed), dict.fromkeys(ids, "seen"), 0
    for split, amount in held_out.items():
        count = _counted(amount, len(order) - start, 1, "items", of=len(order))
        split_of |= dict.fromkeys(order[start : start + count], split)
        start += count
    return split_of


def by_hash(names: Iterable[str], seed: int | str) -> list[str]:
    """Return names in the order of the sha256 of seed and name.

    Neither the order of files nor a random number generator decides, and of names that grow in
    number most keep their order.
    """
    return sorted(names, key=lambda name: hashlib.sha256(f"{seed} {name}".encode()).digest())


def _counted(amount: float | int, left: int, least: int, what: str, of: int | None = None) -> int:
    """Return the number that a share or number of `of` (by default those left) comes to."""
    share = isinstance(amount, float)
    if not (0 < amount < 1 if share else amount >= 1):
        raise ConfigError(f"cannot hold out {amount} {what}; give a share in (0, 1) or a number")
    count = max(least, round(amount * (of or left))) if share else int(amount)
    if count >= left:
        raise ConfigError(f"holding out {count} of {left} {what} leaves none; hold out fewer")
    return count
