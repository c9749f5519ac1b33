"""Species: what can be seen of a bird, and the first fifty of a seed in their three splits.

Held-out species use values that all occur among the seen ones, but never in that combination, so
a caption of one can be understood from the others. Bases lie at least 4 traits apart; some have a
twin, exactly one trait away, which makes edits such as "with a red belly" answerable. The bases
of a held-out split share few colours in different places: counting colours tells them apart badly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace

import numpy as np

from zscr.data.aviary.names import NAMES

COLOURS = ("red", "yellow", "green", "blue", "black", "white")
PATTERNS = ("plain", "striped breast", "spotted breast", "striped wing", "spotted wing")
BILLS = ("short conical", "long straight", "hooked", "curved")
TAILS = ("short", "long", "forked", "fan-shaped")
SIZES = ("small", "medium", "large")
REGIONS = ("crown", "back", "belly", "wing")
VALUES = {
    **dict.fromkeys(REGIONS, COLOURS),
    "pattern": PATTERNS,
    "bill": BILLS,
    "tail": TAILS,
    "size": SIZES,
}

# The trait by which each twin differs from its base. Never the size: it shows only beside a perch.
TWINS = {
    "seen": ("crown", "belly", "wing", "tail"),
    "val": ("crown", "tail"),
    "unseen": ("belly", "wing"),
}
BASES = {"seen": 26, "val": 8, "unseen": 8}
APART = 4  # traits between a base and any other base
_TWIN_APART = 3  # traits between a twin and any other species but its base
_SHARED_COLOURS = 5  # colours that the bases of a held-out split are painted with


@dataclass(frozen=True)
class Traits:
    """The visible attributes of a species; VALUES lists what each can be."""

    crown: str
    back: str
    belly: str
    wing: str
    pattern: str
    bill: str
    tail: str
    size: str

    @property
    def legible(self) -> bool:
        """Whether regions that touch differ in colour; crown and wing do not touch."""
        return len({self.back, self.belly, self.wing}) == 3 and self.crown not in (
            self.back,
            self.belly,
        )

    def distance(self, other: Traits) -> int:
        """Return the number of traits that differ."""
        return len(self.difference(other))

    def difference(self, other: Traits) -> tuple[str, ...]:
        """Return the names of the traits that differ."""
        names = (field.name for field in fields(self))
        return tuple(name for name in names if getattr(self, name) != getattr(other, name))


@dataclass(frozen=True)
class Species:
    """One class of the collection.

    Attributes:
        id: its name as a folder's.
        name: what it is called.
        split: `seen`, `val` or `unseen`.
        traits: what it looks like.
        number: which stream of the seed its images and texts are drawn from; no two share one.
    """

    id: str
    name: str
    split: str
    traits: Traits
    number: int

    @property
    def attributes(self) -> dict[str, str]:
        """The traits as a mapping from name to value."""
        return asdict(self.traits)


def first_species(seed: int) -> tuple[Species, ...]:
    """Return the first 50 species of `seed`: 30 seen, 10 val, 10 unseen, in this order."""
    rng = np.random.default_rng([seed, 0])
    drawn = _draw_splits(rng)
    while not _covered(drawn):
        drawn = _draw_splits(rng)
    names = rng.permutation(NAMES)[: len(drawn)]
    return tuple(
        named(str(name), split, traits, number)
        for number, (name, (split, traits)) in enumerate(zip(names, drawn, strict=True))
    )


def named(name: str, split: str, traits: Traits, number: int) -> Species:
    """Return the species of that name, whose id serves as a folder name on any system."""
    return Species(name.lower().replace(" ", "-"), name, split, traits, number)


def _draw_splits(rng: np.random.Generator) -> list[tuple[str, Traits]]:
    """Draw the traits of every split; the first bases of each come with their twins."""
    drawn: list[tuple[str, Traits]] = []
    for split, bases in BASES.items():
        colours: tuple[str, ...] = COLOURS
        if split != "seen":
            colours = tuple(map(str, rng.choice(COLOURS, _SHARED_COLOURS, replace=False)))
        others = [traits for _, traits in drawn]
        same: list[Traits] = []
        for trait in (*TWINS[split], *[None] * (bases - len(TWINS[split]))):
            same += _draw_family(rng, colours, trait, same, others)
        drawn += [(split, traits) for traits in same]
    return drawn


def _draw_family(
    rng: np.random.Generator,
    colours: Sequence[str],
    trait: str | None,
    same: Sequence[Traits],
    others: Sequence[Traits],
) -> list[Traits]:
    """Draw a base far from all species so far and, if `trait` is given, its twin."""
    taken = (*same, *others)
    while True:
        base = _draw_base(rng, colours, same)
        if not base.legible or any(base.distance(other) < APART for other in taken):
            continue
        if trait is None:
            return [base]
        for value in rng.permutation(VALUES[trait]):
            twin = replace(base, **{trait: str(value)})
            near = any(twin.distance(other) < _TWIN_APART for other in taken)
            if twin.legible and twin != base and not near:
                return [base, twin]


def _draw_base(rng: np.random.Generator, colours: Sequence[str], same: Sequence[Traits]) -> Traits:
    """Draw traits, preferring the values that the split uses least so far."""
    values = VALUES | dict.fromkeys(REGIONS, colours)
    drawn = {}
    for trait, options in values.items():
        used = Counter(getattr(other, trait) for other in same)
        weight = np.array([1.0 / (1 + used[option]) ** 2 for option in options])
        drawn[trait] = str(rng.choice(options, p=weight / weight.sum()))
    return Traits(**drawn)


def _covered(drawn: Iterable[tuple[str, Traits]]) -> bool:
    """Whether at least two seen species show every value of every trait."""
    seen = [traits for split, traits in drawn if split == "seen"]
    used = Counter(pair for traits in seen for pair in asdict(traits).items())
    return all(used[trait, value] >= 2 for trait, options in VALUES.items() for value in options)
