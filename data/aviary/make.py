"""Make the aviary: images, sentences and tasks of its species, from a seed alone."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from zscr.data.aviary.geometry import build_bird
from zscr.data.aviary.paint import paint
from zscr.data.aviary.queries import add_tasks
from zscr.data.aviary.roster import SEEN, make_species
from zscr.data.aviary.scene import sample_scene
from zscr.data.aviary.sketch import draw_sketch
from zscr.data.aviary.species import Species
from zscr.data.aviary.visibility import visible_traits
from zscr.data.aviary.words import describe, write_sentences
from zscr.data.collection import ClassInfo, Draft, Item, new_collection
from zscr.disk import plain_file
from zscr.errors import ConfigError
from zscr.progress import progress

_FEWEST_VISIBLE = 5  # traits of 8; a scene that hides more is drawn again
_IMAGES, _DESCRIPTIONS = 1, 2  # streams of the seed; see the species, their roster and the queries
HELD_OUT_IMAGES = 24


def make_aviary(
    path: Path,
    *,
    seed: int = 7,
    seen: int = SEEN,
    images: int = 4,
    held_out_images: int = HELD_OUT_IMAGES,
    sketches: bool = False,
) -> None:
    """Write the collection `aviary` to `path`.

    The same arguments give the same bytes of every file, with the same versions of numpy and
    Pillow. The held-out species, their images and texts are the same whatever else is drawn. About
    35 s for the default on one core.

    Args:
        path: the collection's folder; must not exist.
        seed: of all that is drawn by chance.
        seen: number of seen species, beside 10 validation and 10 unseen ones.
        images: of each seen species.
        held_out_images: of each validation and unseen species.
        sketches: draw each image's sketch, too, for the tasks that ask with one or seek them.

    Raises:
        ArtefactError: `path` exists already, or the disk is full.
        ConfigError: a number is too small, or `seen` larger than there are names.
    """
    if min(images, held_out_images) < 1 or seed < 0:
        raise ConfigError(
            f"images is {images}, held_out_images {held_out_images} and seed {seed}; "
            f"use at least 1 image and a seed from 0 up"
        )
    species = make_species(seed, seen)
    counts = {each.id: images if each.split == "seen" else held_out_images for each in species}
    provenance = {
        "source": "procedural",
        "seed": seed,
        "images": images,
        "held_out_images": held_out_images,
        **{library: version(library) for library in ("numpy", "pillow")},
    }
    protocol = (
        f"aviary: class-disjoint {seen} seen / 10 val / 10 unseen species, "
        f"gallery = the split's items"
    )
    with (
        new_collection(path, name="aviary", protocol=protocol, provenance=provenance) as draft,
        progress("drawing birds", sum(counts.values())) as bar,
    ):
        items = {}
        for each in species:
            _add_class(draft, each, np.random.default_rng([seed, _DESCRIPTIONS, each.number]))
            rng = np.random.default_rng([seed, _IMAGES, each.number])
            numbers = range(counts[each.id])
            items[each.id] = [_add_item(draft, each, n, rng, sketches) for n in numbers]
            bar.advance(len(numbers), each.name)
        add_tasks(draft, species, items, seed)


def _add_class(draft: Draft, species: Species, rng: np.random.Generator) -> None:
    info = ClassInfo(
        species.id, species.name, (describe(species, rng),), attributes=species.attributes
    )
    draft.add_class(info, species.split)


def _add_item(
    draft: Draft, species: Species, number: int, rng: np.random.Generator, sketches: bool
) -> Item:
    """Draw one bird, save its image and, if asked for, its sketch, and add the item."""
    traits = species.traits
    visible: frozenset[str] = frozenset()
    while len(visible) < _FEWEST_VISIBLE:
        scene = sample_scene(rng, traits.size)
        bird = build_bird(traits, scene)
        visible = visible_traits(bird, scene, traits.pattern)
    name = f"{species.id}-{number:03d}"
    photo = f"photo/{species.id}/{name}.jpg"
    sketch = f"sketch/{species.id}/{name}.png" if sketches else None
    # The full colour resolution keeps thin stripes.
    with plain_file(_place(draft, photo)) as file:
        paint(traits, scene, bird).save(file, "JPEG", quality=90, subsampling=0)
    if sketch:
        with plain_file(_place(draft, sketch)) as file:
            draw_sketch(bird, scene).save(file, "PNG")
    sentences = write_sentences(traits, scene, visible)
    item = Item(name, species.split, species.id, photo, sketch, sentences)
    draft.add_item(item)
    return item


def _place(draft: Draft, file: str) -> Path:
    path = draft.folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
