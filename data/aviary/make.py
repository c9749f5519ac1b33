"""Make the aviary: images, sketches, sentences and tasks of 50 species, from a seed alone."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from zscr.data.aviary.geometry import build_bird
from zscr.data.aviary.paint import paint
from zscr.data.aviary.queries import add_tasks
from zscr.data.aviary.scene import sample_scene
from zscr.data.aviary.sketch import draw_sketch
from zscr.data.aviary.species import Species, make_species
from zscr.data.aviary.visibility import visible_traits
from zscr.data.aviary.words import describe, write_sentences
from zscr.data.collection import ClassInfo, Draft, Item, new_collection
from zscr.errors import ConfigError
from zscr.progress import progress

PROTOCOL = (
    "aviary: class-disjoint 30 seen / 10 val / 10 unseen species, gallery = the split's items"
)
_FEWEST_VISIBLE = 5  # traits of 8; a scene that hides more is drawn again
_IMAGES, _DESCRIPTIONS, _QUERIES = 1, 2, 3  # streams of the seed; the species use 0


def make_aviary(path: Path, *, seed: int = 7, images: int = 24) -> None:
    """Write the collection `aviary` to `path`, with `images` items per species.

    The same seed and number give the same bytes of every file, with the same versions of numpy
    and Pillow. About 15 s for the default on one core.

    Raises:
        ArtefactError: `path` exists already, or the disk is full.
        ConfigError: `images` is below 1 or `seed` below 0.
    """
    if images < 1 or seed < 0:
        raise ConfigError(
            f"images is {images} and seed {seed}; use at least 1 image and a seed from 0 up"
        )
    species = make_species(seed)
    provenance = {
        "source": "procedural",
        "seed": seed,
        "images": images,
        **{library: version(library) for library in ("numpy", "pillow")},
    }
    with (
        new_collection(path, name="aviary", protocol=PROTOCOL, provenance=provenance) as draft,
        progress("drawing birds", len(species) * images) as bar,
    ):
        items = {}
        for index, each in enumerate(species):
            _add_class(draft, each, np.random.default_rng([seed, _DESCRIPTIONS, index]))
            rng = np.random.default_rng([seed, _IMAGES, index])
            items[each.id] = [_add_item(draft, each, number, rng) for number in range(images)]
            bar.advance(images, each.name)
        add_tasks(draft, species, items, np.random.default_rng([seed, _QUERIES]))


def _add_class(draft: Draft, species: Species, rng: np.random.Generator) -> None:
    info = ClassInfo(
        species.id, species.name, (describe(species, rng),), attributes=species.attributes
    )
    draft.add_class(info, species.split)
    for kind in ("photo", "sketch"):
        (draft.folder / kind / species.id).mkdir(parents=True)


def _add_item(draft: Draft, species: Species, number: int, rng: np.random.Generator) -> Item:
    """Draw one bird, save its image and sketch, and add the item."""
    traits = species.traits
    visible: frozenset[str] = frozenset()
    while len(visible) < _FEWEST_VISIBLE:
        scene = sample_scene(rng, traits.size)
        bird = build_bird(traits, scene)
        visible = visible_traits(bird, scene, traits.pattern)
    name = f"{species.id}-{number:03d}"
    photo, sketch = f"photo/{species.id}/{name}.jpg", f"sketch/{species.id}/{name}.png"
    # The full colour resolution keeps thin stripes.
    paint(traits, scene, bird).save(draft.folder / photo, quality=90, subsampling=0)
    draw_sketch(bird, scene).save(draft.folder / sketch)
    sentences = write_sentences(traits, scene, visible)
    item = Item(name, species.split, species.id, photo, sketch, sentences)
    draft.add_item(item)
    return item
