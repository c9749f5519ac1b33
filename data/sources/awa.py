"""Makes a collection of images whose classes are described by attributes, in AWA2's own format.

Animals with Attributes 2 (Xian et al. 2019): 50 classes, 85 attributes in percent.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from zscr.data.collection import ClassInfo, Draft, Item, new_collection
from zscr.data.images import fault
from zscr.data.sources.archive import opened
from zscr.data.sources.definitions import spoken
from zscr.data.sources.normal import unit_rows
from zscr.data.sources.origin import described, find_root, read_lines
from zscr.data.splits import hold_out
from zscr.data.walk import find_images
from zscr.errors import InputError

CLASSES, ATTRIBUTES, IMAGES = "classes.txt", "predicate-matrix-continuous.txt", "JPEGImages"
TRAIN, TEST = "trainclasses.txt", "testclasses.txt"

Rows = npt.NDArray[np.float32]


def convert_awa(source: Path, out: Path, *, val: float | int = 0.2, seed: int = 7) -> None:
    """Convert AWA2's folder, or a ZIP of it, into the collection `out`.

    A class's one text is its row of the attribute matrix at length 1, as `vectors/text.npy`. An
    image that cannot be decoded is listed in the collection's `errors.jsonl`.

    Args:
        source: `classes.txt` (`number name` lines), `predicate-matrix-continuous.txt` (a row a
            class), `trainclasses.txt`, `testclasses.txt` and `JPEGImages/<class>/*`.
        out: the collection to make; must not exist.
        val: share (at least 2) or number of the training classes held out for validation.
        seed: of that choice.

    Raises:
        InputError: a file is missing, or they contradict each other (a class in both lists).
        ConfigError: `val` leaves no class to train on.
    """
    with opened(source) as folder:
        root = find_root(source, folder, ATTRIBUTES)
        names = [line.split()[-1] for line in read_lines(root / CLASSES)]
        rows = _read_attributes(root / ATTRIBUTES, names)
        split_of = _splits(root, names, val, seed)
        provenance = {
            **described(source),
            "seed": seed,
            "classes_in_no_list": sorted({*names} - split_of.keys()),
            "negative_attributes": int((rows < 0).sum()),
        }
        name = root.name if source.is_dir() else source.stem
        protocol = _protocol(split_of, rows.shape[1])
        with new_collection(out, name=name, protocol=protocol, provenance=provenance) as draft:
            _fill(draft, root / IMAGES, split_of)
            order = [names.index(class_id) for class_id in split_of]
            draft.save_vectors("text", unit_rows(rows, names)[order])


def _protocol(split_of: Mapping[str, str], dim: int) -> str:
    count = Counter(split_of.values())
    return (
        f"class attributes to image: {dim} attributes at length 1, one text a class; the "
        f"{count['unseen']} published test classes unseen, {count['val']} training classes for "
        f"validation"
    )


def _splits(root: Path, names: list[str], val: float | int, seed: int) -> dict[str, str]:
    """Return the split of every listed class, training classes first, in the lists' order."""
    train, test = (_listed(root / file, names) for file in (TRAIN, TEST))
    twice = sorted(name for name, count in Counter([*train, *test]).items() if count > 1)
    if twice:
        raise InputError(f"{root}: {twice[0]} is twice in {TRAIN} and {TEST}; keep it in one")
    held_out = hold_out(train, val, seed=seed, least=2)
    split_of = dict.fromkeys(train, "seen") | dict.fromkeys(held_out, "val")
    return split_of | dict.fromkeys(test, "unseen")


def _fill(draft: Draft, images: Path, split_of: Mapping[str, str]) -> None:
    """Add classes and items; a class's row of attributes is its number in `split_of`."""
    for row, (class_id, split) in enumerate(split_of.items()):
        name = spoken(class_id.replace("+", " "))
        draft.add_class(ClassInfo(class_id, name, text_rows=(row, row + 1)), split)
        _add_images(draft, images / class_id, class_id, split)


def _read_attributes(path: Path, names: list[str]) -> Rows:
    """Read one row of numbers a class -> (classes, attributes)."""
    try:
        rows: Rows = np.loadtxt(path, np.float32, ndmin=2)
    except ValueError as error:
        raise InputError(f"{path} is not a matrix of numbers ({error}); fetch it again") from error
    if len(rows) != len(names):
        raise InputError(
            f"{path} has {len(rows)} rows for the {len(names)} classes of {CLASSES}; "
            f"take both from the same data set"
        )
    return rows


def _listed(path: Path, names: list[str]) -> list[str]:
    listed = read_lines(path)
    unknown = [name for name in listed if name not in names or "/" in name or name[0] == "."]
    if unknown or not listed:
        raise InputError(f"{path} names {[*unknown, 'no class'][0]}, which is not in {CLASSES}")
    return listed


def _add_images(draft: Draft, folder: Path, class_id: str, split: str) -> None:
    """Copy the sound images of one class and add their items."""
    target = draft.folder / "images" / class_id
    target.mkdir(parents=True)
    images = list(find_images(folder))
    for path in images:
        if reason := fault(path):
            draft.skip(f"{class_id}/{path.name}", reason)
            continue
        shutil.copyfile(path, target / path.name)
        file = f"images/{class_id}/{path.name}"
        draft.add_item(Item(f"{class_id}/{path.name}", split, class_id, image=file))
    if not images:
        raise InputError(f"{folder} holds no image, but {class_id} is a listed class")
