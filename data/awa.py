"""Makes a collection of pictures whose classes are described by attributes, in AWA2's own format.

Animals with Attributes 2 (Xian et al. 2019): 50 classes, 85 attributes in percent.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from zscr.data.archive import opened
from zscr.data.collection import ClassInfo, Draft, Item, new_collection
from zscr.data.definitions import spoken
from zscr.data.normal import unit_rows
from zscr.data.origin import described, find_root, read_lines
from zscr.data.pictures import fault, find_pictures
from zscr.data.splits import hold_out
from zscr.errors import InputError

CLASSES, ATTRIBUTES, PICTURES = "classes.txt", "predicate-matrix-continuous.txt", "JPEGImages"
TRAIN, TEST = "trainclasses.txt", "testclasses.txt"

Rows = npt.NDArray[np.float32]


def convert_awa(source: Path, out: Path, *, val: float | int = 0.2, seed: int = 7) -> None:
    """Convert AWA2's folder, or a ZIP of it, into the collection `out`.

    A class's one text is its row of the attribute matrix at length 1, as `vectors/text.npy`. A
    picture that cannot be decoded is listed in the collection's `errors.jsonl`.

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
        attributes = _read_attributes(root / ATTRIBUTES, names)
        train, test = (_listed(root / file, names) for file in (TRAIN, TEST))
        if both := sorted({*train} & {*test}):
            raise InputError(f"{root}: {both[0]} is in {TRAIN} and in {TEST}; keep it in one")
        held_out = set(hold_out(train, val, seed=seed, least=2))
        listed = [(name, "val" if name in held_out else "seen") for name in train]
        listed += [(name, "unseen") for name in test]
        dim = attributes.shape[1]
        provenance = {
            **described(source),
            "seed": seed,
            "classes_in_no_list": sorted({*names} - {*train, *test}),
            "negative_attributes": int((attributes < 0).sum()),
        }
        protocol = (
            f"class attributes to image: {dim} attributes at length 1, one text a class; published "
            f"{len(test)} test classes unseen, {len(held_out)} training classes for validation"
        )
        name = root.name if source.is_dir() else source.stem
        with new_collection(out, name=name, protocol=protocol, provenance=provenance) as draft:
            for row, (class_id, split) in enumerate(listed):
                info = ClassInfo(
                    class_id, spoken(class_id.replace("+", " ")), text_rows=(row, row + 1)
                )
                draft.add_class(info, split)
                _add_pictures(draft, root / PICTURES / class_id, class_id, split)
            rows = [names.index(class_id) for class_id, _ in listed]
            draft.save_vectors("text", unit_rows(attributes, names)[rows])


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
    unknown = [name for name in listed if name not in names]
    if unknown or not listed:
        raise InputError(f"{path} names {[*unknown, 'no class'][0]}, which is not in {CLASSES}")
    return listed


def _add_pictures(draft: Draft, folder: Path, class_id: str, split: str) -> None:
    """Copy the sound pictures of one class and add their items."""
    target = draft.folder / "pictures" / class_id
    target.mkdir(parents=True)
    pictures = list(find_pictures(folder))
    for path in pictures:
        if reason := fault(path):
            draft.skip(f"{class_id}/{path.name}", reason)
            continue
        shutil.copyfile(path, target / path.name)
        file = f"pictures/{class_id}/{path.name}"
        draft.add_item(Item(f"{class_id}/{path.name}", class_id, split, image=file))
    if not pictures:
        raise InputError(f"{folder} holds no picture, but {class_id} is a listed class")
