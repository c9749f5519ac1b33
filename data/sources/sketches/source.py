"""A published benchmark of sketch retrieval as it was found: its lists, and where images lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from zscr.data.sources.annotated import Located, locate
from zscr.data.sources.domains.conversion import Entry
from zscr.data.sources.domains.lists import find_lists
from zscr.data.sources.sketches.benchmarks import CLASSES, ZERO, Benchmark
from zscr.data.sources.sketches.class_folders import find_training
from zscr.data.sources.sketches.lists import (
    ClassList,
    read_classes,
    read_images,
    require_disjoint,
    require_once,
)
from zscr.data.sources.sketches.sides import Sides
from zscr.errors import InputError
from zscr.progress import say


@dataclass(frozen=True)
class Found:
    """What a benchmark's folder holds.

    Attributes:
        seen, unseen: the lists of classes.
        sides: the listed images.
        images: where they are.
        unlisted: the lists of images to train on that are not there; folders took their place.
    """

    seen: ClassList
    unseen: ClassList
    sides: Sides
    images: Located
    unlisted: tuple[str, ...] = ()


def read_source(source: Path, folder: Path, benchmark: Benchmark, *, skip: bool) -> Found:
    """Read a benchmark's lists and find its images.

    Args:
        source: what was named, for errors; folder: where it is opened.
        benchmark: whose lists they are.
        skip: whether missing images, and seen classes without any, are left out.

    Raises:
        InputError: a list or an image is missing, or they contradict each other.
    """
    lists = find_lists(source, folder, benchmark.judged, lambda one: one.name == benchmark.folder)
    seen, unseen = read_classes(lists / CLASSES), read_classes(lists / ZERO)
    require_disjoint(seen, unseen)
    sides = {kind: _listed(lists, stem, seen, unseen, kind) for kind, stem in benchmark.stems}
    every = [one for side in sides.values() for one in side]
    require_once(every)
    images = locate([one.name for one in every], folder)
    images.require(source, skip=skip, places={one.name: one.place for one in every})
    files, unlisted = dict(images.files), list[str]()
    for kind, stem in benchmark.stems:
        if not (train := lists / f"{stem}_train.txt").is_file():
            training = _in_folders(train, seen, sides[kind], files, skip=skip)
            sides[kind] += training
            files |= {one.name: file for one, file in training.items()}
            unlisted.append(train.name)
    both = Sides(sides["photo"], sides["sketch"])
    both.require_both(unseen.places if skip else {**seen.places, **unseen.places})
    return Found(seen, unseen, both, Located(files, images.missing), tuple(unlisted))


def _listed(lists: Path, stem: str, seen: ClassList, unseen: ClassList, domain: str) -> list[Entry]:
    """Read the lists of one side: of the unseen classes, and of the seen ones if it is there."""
    train = lists / f"{stem}_train.txt"
    trained = read_images(train, seen, domain) if train.is_file() else []
    return [*trained, *read_images(lists / f"{stem}_zero.txt", unseen, domain)]


def _in_folders(
    train: Path, seen: ClassList, judged: Sequence[Entry], files: Mapping[str, Path], *, skip: bool
) -> dict[Entry, Path]:
    """Return the images of seen classes by their folders, and say so.

    Raises:
        InputError: a class has none, and `skip` is false.
    """
    found = find_training(seen, judged, files)
    lost = sorted(seen.places.keys() - {one.class_id for one in found})
    if lost and not skip:
        raise InputError(
            f"{train} is not there, and neither is a folder of the seen class '{lost[0]}' beside "
            f"those of the unseen ones; fetch it, or leave such classes out with --skip-missing"
        )
    say(f"{train} is not there; the {len(found)} images in the folders of seen classes are taken")
    return found
