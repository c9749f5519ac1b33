"""Tasks whose queries are made of a reference image and a text.

`composed`: "the same bird with a red belly". Relevant are all images of the species that differs
from the reference's in exactly that trait; it is of the same split. The reference itself is
excluded; other images of its species stay in the gallery as the hardest wrong answers.
`style`: "as a line drawing". The gallery is the sketches; an item's own sketch is worth 2, those
of the other items of its species 1. Nothing is excluded: the item is its own best answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

import numpy as np

from zscr.data.aviary.species import Species
from zscr.data.aviary.words import edit
from zscr.data.collection import Draft
from zscr.data.records import Item, Query
from zscr.data.relevance import Truth
from zscr.data.task_files import TaskInfo, TaskRow

_REFERENCES = 8  # images asked about for each ordered pair of twins
_DRAWINGS = 2  # style queries a species
STYLE_TEXT = "as a line drawing"


_COMPOSED = TaskInfo(
    "composed",
    protocol="an image and what is different: the twin's images, the reference excluded",
    figures=("mAP", "Top-1"),
)
_STYLE = TaskInfo(
    "style", field="sketch", protocol="an image as a sketch: its own is worth 2, its species' 1"
)


def add_tasks(
    draft: Draft,
    species: Sequence[Species],
    items: Mapping[str, Sequence[Item]],
    rng: np.random.Generator,
) -> None:
    """Add both tasks over `items`, which are listed by species id."""
    draft.add_task(_COMPOSED, _composed(species, items, rng))
    draft.add_task(_STYLE, (row for each in species for row in _style(items[each.id], rng)))


def _composed(
    species: Sequence[Species], items: Mapping[str, Sequence[Item]], rng: np.random.Generator
) -> Iterator[TaskRow]:
    for source, target in permutations(species, 2):
        difference = source.traits.difference(target.traits)
        if source.split != target.split or len(difference) != 1:
            continue
        [trait] = difference
        for reference in _some(items[source.id], _REFERENCES, rng):
            text = edit(trait, target.traits, rng)
            query = Query(f"{reference.id}-{trait}", text, reference.image)
            truth = Truth({item.id: 1.0 for item in items[target.id]}, (reference.id,))
            yield TaskRow(query, source.split, target.id, truth)


def _style(items: Sequence[Item], rng: np.random.Generator) -> Iterator[TaskRow]:
    for reference in _some(items, _DRAWINGS, rng):
        query = Query(f"{reference.id}-style", STYLE_TEXT, reference.image)
        truth = Truth({item.id: 2.0 if item is reference else 1.0 for item in items})
        yield TaskRow(query, reference.split, str(reference.class_id), truth)


def _some(items: Sequence[Item], count: int, rng: np.random.Generator) -> list[Item]:
    return [items[i] for i in rng.permutation(len(items))[:count]]
