"""Tasks whose queries are made of a reference image and a text.

`composed`: "the same bird with a red belly". Relevant are all images of the species that differs
from the reference's in exactly that trait; it is of the same split. The reference itself is
excluded; other images of its species stay in the gallery as the hardest wrong answers.
`style`: "as a line drawing". The gallery is the sketches; an item's own sketch is worth 2, those
of the other items of its species 1. Nothing is excluded: the item is its own best answer. There is
this task where sketches were drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from zscr.data.aviary.species import VALUES, Species
from zscr.data.aviary.words import edit
from zscr.data.collection import Draft
from zscr.data.records import Item, Query
from zscr.data.relevance import Truth
from zscr.data.task_files import TaskInfo, TaskRow

_QUERIES = 3  # the stream of the seed
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
    draft: Draft, species: Sequence[Species], items: Mapping[str, Sequence[Item]], seed: int
) -> None:
    """Add the tasks that `items`, listed by species id, can answer.

    Each split has a stream of the seed, so what is asked of one hangs on no other.
    """
    splits = {s: [each for each in species if each.split == s] for s in ("seen", "val", "unseen")}
    rngs = {s: np.random.default_rng([seed, _QUERIES, n]) for n, s in enumerate(splits)}
    asked = ((rngs[split], group) for split, group in splits.items())
    draft.add_task(_COMPOSED, (row for rng, group in asked for row in _composed(group, items, rng)))
    if any(item.sketch for each in items.values() for item in each):
        rows = (row for each in species for row in _style(items[each.id], rngs[each.split]))
        draft.add_task(_STYLE, rows)


def _composed(
    species: Sequence[Species], items: Mapping[str, Sequence[Item]], rng: np.random.Generator
) -> Iterator[TaskRow]:
    for source, target, trait in _twins(species):
        for reference in _some(items[source.id], _REFERENCES, rng):
            text = edit(trait, target.traits, rng)
            query = Query(f"{reference.id}-{trait}", text, reference.image)
            truth = Truth({item.id: 1.0 for item in items[target.id]}, (reference.id,))
            yield TaskRow(query, source.split, target.id, truth)


def _twins(species: Sequence[Species]) -> Iterator[tuple[Species, Species, str]]:
    """Find the ordered pairs of species that differ in one trait, and the trait.

    Never the size: it shows only beside a perch, and an image does not say what it would be then.
    """
    owner = {each.traits: each for each in species}
    for source in species:
        for trait in (trait for trait in VALUES if trait != "size"):
            for value in VALUES[trait]:
                target = owner.get(replace(source.traits, **{trait: value}))
                if target not in (source, None):
                    yield source, target, trait


def _style(items: Sequence[Item], rng: np.random.Generator) -> Iterator[TaskRow]:
    for reference in _some(items, _DRAWINGS, rng):
        query = Query(f"{reference.id}-style", STYLE_TEXT, reference.image)
        truth = Truth({item.id: 2.0 if item is reference else 1.0 for item in items})
        yield TaskRow(query, reference.split, str(reference.class_id), truth)


def _some(items: Sequence[Item], count: int, rng: np.random.Generator) -> list[Item]:
    return [items[i] for i in rng.permutation(len(items))[:count]]
