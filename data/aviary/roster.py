"""The roster of a collection: the first fifty species of a seed, and as many more seen ones.

Every seen species lies at least 4 traits from every held-out one, which makes the held-out ones
new whatever is trained: the first seen species that lie nearer are left out, and those that are
drawn to fill up the number are drawn again until they lie far enough. Among themselves they are
different, and some of them twins.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zscr.data.aviary.names import MORE_NAMES
from zscr.data.aviary.species import APART, VALUES, Species, Traits, first_species, named
from zscr.errors import ConfigError

_MORE = 4  # the stream of the seed that the added species are drawn from
SEEN = 600


def make_species(seed: int, seen: int = SEEN) -> tuple[Species, ...]:
    """Return the species of `seed`: `seen` seen ones, 10 val and 10 unseen, in this order.

    Raises:
        ConfigError: `seen` is below 1, or there are not as many names.
    """
    first = first_species(seed)
    held_out = [each for each in first if each.split != "seen"]
    taboo = [each.traits for each in held_out]
    kept = [each for each in first if each.split == "seen" and _far(each.traits, taboo)]
    most = len(kept) + len(MORE_NAMES)
    if not 1 <= seen <= most:
        raise ConfigError(f"seen is {seen}; use 1 to {most} seen species, as there are names")
    rng = np.random.default_rng([seed, _MORE])
    names = rng.permutation(MORE_NAMES)[: max(0, seen - len(kept))]
    traits = _draw(rng, len(names), [each.traits for each in kept], taboo)
    more = [
        named(str(name), "seen", each, len(first) + number)
        for number, (name, each) in enumerate(zip(names, traits, strict=True))
    ]
    return (*kept[:seen], *more, *held_out)


def _draw(
    rng: np.random.Generator, count: int, kept: Sequence[Traits], taboo: Sequence[Traits]
) -> list[Traits]:
    """Draw that many legible species, all different, by rejection."""
    drawn: dict[Traits, None] = {}
    while len(drawn) < count:
        options = {trait: str(rng.choice(values)) for trait, values in VALUES.items()}
        traits = Traits(**options)
        if traits.legible and traits not in kept and _far(traits, taboo):
            drawn[traits] = None
    return [*drawn]


def _far(traits: Traits, others: Sequence[Traits]) -> bool:
    return all(traits.distance(other) >= APART for other in others)
