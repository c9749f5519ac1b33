"""Queries made of a reference image and a text.

kind `attribute`: "the same bird with a red belly". Relevant are all images of the species that
differs from the reference's in exactly that trait; it is of the same split. The reference itself
is excluded; other images of its species stay in the gallery as the hardest wrong answers.
kind `style`: "as a line drawing". The gallery is the sketches; an item's own sketch is worth 2,
those of the other items of its species 1. Nothing is excluded: the item is its own best answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np

from zscr.data.aviary.species import Species
from zscr.data.aviary.words import edit
from zscr.data.collection import Item, Query

_REFERENCES = 8  # images asked about for each ordered pair of twins
_DRAWINGS = 2  # style queries a species
STYLE_TEXT = "as a line drawing"


def make_queries(
    species: Sequence[Species], items: Mapping[str, Sequence[Item]], rng: np.random.Generator
) -> Iterator[Query]:
    """Yield the queries over `items`, which are listed by species id."""
    for source, target in permutations(species, 2):
        difference = source.traits.difference(target.traits)
        if source.split == target.split and len(difference) == 1:
            yield from _attribute(source, target, difference[0], items, rng)
    for each in species:
        yield from _style(items[each.id], rng)


def _attribute(
    source: Species,
    target: Species,
    trait: str,
    items: Mapping[str, Sequence[Item]],
    rng: np.random.Generator,
) -> Iterator[Query]:
    for reference in _some(items[source.id], _REFERENCES, rng):
        yield Query(
            id=f"{reference.id}-{trait}",
            relevant={item.id: 1.0 for item in items[target.id]},
            text=edit(trait, target.traits, rng),
            image=reference.image,
            exclude=(reference.id,),
            kind="attribute",
        )


def _style(items: Sequence[Item], rng: np.random.Generator) -> Iterator[Query]:
    for reference in _some(items, _DRAWINGS, rng):
        yield Query(
            id=f"{reference.id}-style",
            relevant={item.id: 2.0 if item is reference else 1.0 for item in items},
            text=STYLE_TEXT,
            image=reference.image,
            kind="style",
        )


def _some(items: Sequence[Item], count: int, rng: np.random.Generator) -> list[Item]:
    return [items[i] for i in rng.permutation(len(items))[:count]]
