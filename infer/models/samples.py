"""What models are measured on: files and texts, of a collection or drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
from PIL import Image

from zscr.data.collection import Collection
from zscr.data.tasks import gallery_queries, load_task
from zscr.errors import InputError
from zscr.progress import say

IMAGES, TEXTS = 8, 5
SPLIT = "unseen"
_DEEPEST = 10  # of the recalls that are measured
_SIDES = 1600, 1200  # pixels of a drawn image: as of a photo that was sent
_TEXTS = (
    "a dog",
    "two children in a garden",
    "a red house by the sea at night",
    "a man in a blue jacket who is repairing an old bicycle in front of a shop",
    "mountains in fog",
)
Value = TypeVar("Value")


@dataclass(frozen=True)
class Samples:
    """Files of images and texts, and where they come from."""

    images: Sequence[Path]
    texts: Sequence[str]
    of: str


@contextmanager
def drawn_samples() -> Iterator[Samples]:
    """Draw images of a photo's size, in a folder that is there until the block ends.

    What is on them does not matter: that they are decoded and scaled down like photos does.
    """
    rng = np.random.default_rng(7)
    with TemporaryDirectory(prefix="zscr-") as folder:
        paths = [Path(folder, f"{number}.jpg") for number in range(IMAGES)]
        for path in paths:
            coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), np.uint8))
            coarse.resize(_SIDES, Image.Resampling.BICUBIC).save(path, quality=90)
        yield Samples(paths, _TEXTS, f"{IMAGES} drawn images of {_SIDES[0]}x{_SIDES[1]}")


def samples_of(collection: Collection) -> Samples:
    """Return images and texts of a collection, spread over what its unseen split asks and holds.

    Raises:
        CollectionError: it has no texts.
        InputError: its images or texts are published vectors.
    """
    task = load_task(collection, "text", SPLIT)
    gallery = gallery_queries(collection, task)
    if task.field != "image" or task.fields != {"text"}:
        raise InputError(
            f"{collection.folder} holds published vectors, and models are measured on images and "
            f"texts; name a collection of these"
        )
    if len(gallery) <= _DEEPEST:
        say(
            f"{collection.folder} has {len(gallery)} images to judge on, among which every model "
            f"has R@{_DEEPEST} 1; of captions without classes, 'zscr data convert captions FOLDER "
            f"--unseen 1.0' judges on all"
        )
    images = [Path(str(one.image)) for one in spread(gallery, IMAGES)]
    texts = [str(one.text) for one in spread(task.queries, TEXTS)]
    return Samples(images, texts, f"{len(images)} images of {collection.name}")


def spread(values: Sequence[Value], count: int) -> list[Value]:
    """Pick at most `count` of the values, evenly."""
    places = np.linspace(0, len(values) - 1, min(count, len(values)), dtype=int)
    return [values[place] for place in places]
