"""Makes collections of the published benchmarks of sketch retrieval, by their list files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from zscr.data.collection import new_collection
from zscr.data.draft import Draft
from zscr.data.sources.archive import opened
from zscr.data.sources.origin import described
from zscr.data.sources.own_photo import add_own_photo
from zscr.data.sources.sketches.benchmarks import BENCHMARKS, Benchmark
from zscr.data.sources.sketches.duplicates import find_duplicates
from zscr.data.sources.sketches.sides import Sides
from zscr.data.sources.sketches.source import Found, read_source
from zscr.data.sources.sketchy import VAL_CLASSES, Split, describe, read_names
from zscr.data.splits import hold_out
from zscr.data.task_files import TaskInfo

ONCE = "; photos of one name or content in a class are kept once, not as published"


def convert_published(
    source: Path,
    out: Path,
    *,
    name: str,
    split: Split = "21",
    held_out: float | int = VAL_CLASSES,
    seed: int = 7,
    names: Path | None = None,
    deduplicated: bool = False,
    skip_missing: bool = False,
) -> None:
    """Convert a benchmark of sketch retrieval into the collection `out`, by ZSE-SBIR's lists.

    Each listed image is an item, a photo or a sketch, whose id is its path in the lists. The task
    `sketch` has the published figures; Sketchy's has `own-photo`, too. Where no list of images to
    train on was published, all images in the folders of the seen classes are taken.

    Args:
        source: a folder or ZIP that holds `cname_cid.txt`, `cname_cid_zero.txt` (`class number`),
            lists of images (`path number`) beside them, and the images.
        out: the collection to make; must not exist.
        name: `sketchy-ext`, `tuberlin-ext` or `quickdraw-ext`.
        split: of `sketchy-ext`, the published list of 21 or of 25 unseen classes.
        held_out: share or number of the seen classes that are for validation.
        seed: of that choice.
        names: see `convert_sketchy`.
        deduplicated: leave out photos that are a photo of their class again, by the file's name or
            content; published figures are with them.
        skip_missing: leave out images that are missing, and classes that have none then.

    Raises:
        InputError: a list or an image is missing, or they contradict each other.
        ConfigError: `held_out` leaves no seen class to train on.
    """
    name = name if name in BENCHMARKS else f"{name}-{split}"
    benchmark, definitions = BENCHMARKS[name], read_names(source, names)
    with opened(source) as folder:
        found = read_source(source, folder, benchmark, skip=skip_missing)
        split_of = _splits(found, held_out, seed)
        provenance: dict[str, Any] = {**described(source), "seed": seed}
        provenance["lists_not_there"] = found.unlisted
        protocol = benchmark.title
        if deduplicated:
            found, provenance["duplicates_left_out"] = _first_ones(found)
            protocol += ONCE
        with new_collection(out, name=name, protocol=protocol, provenance=provenance) as draft:
            about = partial(describe, definitions=definitions)
            lost = found.sides.add(draft, found.images, split_of, about)
            provenance |= {"missing_images": dict(lost), **_add_tasks(draft, benchmark, lost)}


def _splits(found: Found, held_out: float | int, seed: int) -> dict[str, str]:
    """Return the split of every class, in the order of the lists."""
    val = hold_out([*found.seen.places], held_out, seed=seed)
    split_of = dict.fromkeys(found.seen.places, "seen") | dict.fromkeys(val, "val")
    return split_of | dict.fromkeys(found.unseen.places, "unseen")


def _first_ones(found: Found) -> tuple[Found, dict[str, int]]:
    """Return a source without its photos' duplicates, and how many these are by what is equal."""
    again = find_duplicates(found.sides.photos, found.images.files)
    photos = [one for one in found.sides.photos if one.name not in again.names]
    sides = Sides(photos, found.sides.sketches)
    names = {one.name for side in sides.both for one in side}
    return replace(found, sides=sides, images=found.images.narrowed(names)), dict(again.counts)


def _add_tasks(draft: Draft, benchmark: Benchmark, lost: Mapping[str, int]) -> dict[str, int]:
    """Add what is published of the task `sketch`, and `own-photo`; return what is left out."""
    figures, missing = benchmark.figures, lost.get("unseen", 0)
    draft.add_task(TaskInfo("sketch", by="class", figures=figures, missing=missing))
    return add_own_photo(draft) if benchmark.own_photo else {}
