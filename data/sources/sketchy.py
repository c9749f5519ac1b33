"""Makes a collection of Sketchy (photos and sketches of 125 classes) with a zero-shot split."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from zscr.data.collection import ClassInfo, Draft, Item, new_collection
from zscr.data.images import fault
from zscr.data.sources.archive import opened
from zscr.data.sources.definitions import Definition, define, read_definitions, spoken
from zscr.data.sources.origin import described, find_root, read_lines
from zscr.data.sources.own_photo import add_own_photo
from zscr.data.splits import hold_out
from zscr.data.walk import find_images
from zscr.errors import InputError

NAMES = "clip_text_names.zip"
VAL_CLASSES = 15

Split = Literal["21", "25"]
ANCHOR = "split_zeroshot0_unseen.txt"  # lies in the folder that holds photo/ and sketch/
_LISTS = {"21": ANCHOR, "25": "split_zeroshot1_unseen.txt"}
NAMED = {"21": "sketchy25", "25": "sketchy25-25"}
PROTOCOLS = {
    "21": "Sketchy zero-shot, 21 unseen classes outside ImageNet-1k (Yelamarthi et al. 2018)",
    "25": "Sketchy zero-shot, 25 unseen classes (list zeroshot1), which overlap ImageNet-1k; "
    "development: zscr's defaults were chosen on most of them",
}


def convert_sketchy(
    source: Path, out: Path, *, split: Split = "21", seed: int = 7, names: Path | None = None
) -> None:
    """Convert a Sketchy folder or ZIP into the collection `out`.

    Photos are items whose attribute `domain` is `photo`, sketches items whose is `sketch`; ids are
    `class/file stem`, and what is relevant to a sketch is its class; in the task `own-photo` it is
    the photo that it was drawn after. A class is described by `a photo of a …` and, where LVIS
    knows it, by its definition and synonyms.

    Args:
        source: `photo/<class>/*.jpg`, `sketch/<class>/*.png` and the lists of unseen classes.
        out: the collection to make; must not exist.
        split: the published list of 21 or of 25 unseen classes.
        seed: of the choice of the 15 validation classes among the seen ones.
        names: LVIS's list of categories; by default `clip_text_names.zip` beside `source`, if any.

    Raises:
        InputError: the source lacks its lists or images, or they contradict each other.
    """
    definitions = read_names(source, names)
    with opened(source) as folder:
        root = find_root(source, folder, ANCHOR)
        images = both_domains(source, root)
        classes = sorted(images["photo"])
        split_of = split_classes(classes, read_unseen(root, split, classes), seed)
        defined = sum(define(name, definitions) is not None for name in split_of)
        provenance: dict[str, object] = {**described(source), "seed": seed}
        provenance["classes_with_definition"] = defined
        most = max(map(len, images["photo"].values()))
        protocol = f"{PROTOCOLS[split]}, up to {most} photos a class"
        with new_collection(
            out, name=NAMED[split], protocol=protocol, provenance=provenance
        ) as draft:
            for class_id, where in split_of.items():
                draft.add_class(_describe(class_id, definitions), where)
            for domain, by_class in images.items():
                for class_id, paths in by_class.items():
                    add_images(draft, domain, class_id, split_of[class_id], paths)
            provenance |= add_own_photo(draft)


def read_names(source: Path, names: Path | None) -> dict[str, Definition]:
    """Read the definitions that were asked for, or those that lie beside the source."""
    beside = source.parent / NAMES
    if names is None and not beside.is_file():
        return {}
    return read_definitions(names or beside)


def both_domains(source: Path, root: Path) -> dict[str, dict[str, list[Path]]]:
    """Return the images of `photo/` and `sketch/` by class, each class in both."""
    images = {domain: images_by_class(root / domain) for domain in ("photo", "sketch")}
    if lone := sorted(set(images["photo"]) ^ set(images["sketch"])):
        raise InputError(f"{source}: {', '.join(lone[:3])} has photos or sketches, not both")
    return images


def images_by_class(folder: Path) -> dict[str, list[Path]]:
    """Return the images in `folder/<class>/`, at least one."""
    images: dict[str, list[Path]] = {}
    for path in find_images(folder):
        images.setdefault(path.parent.name, []).append(path)
    if not images:
        raise InputError(f"{folder.name}/<class>/ holds no image in this Sketchy source")
    return images


def read_unseen(root: Path, split: Split, classes: list[str]) -> set[str]:
    """Read a published list of unseen classes, all of `classes`; its lines are `class number`."""
    path = root / _LISTS[split]
    unseen = {line.rsplit(" ", 1)[0] for line in read_lines(path)}
    if not unseen or unseen - set(classes):
        lost = ", ".join(sorted(unseen - set(classes))[:3]) or "no class at all"
        raise InputError(f"{path.name} names {lost}, of which there are no photos")
    return unseen


def split_classes(classes: list[str], unseen: set[str], seed: int) -> dict[str, str]:
    """Return the split of every class; 15 of the seen ones are held out for validation."""
    seen = [name for name in classes if name not in unseen]
    val = set(hold_out(seen, VAL_CLASSES, seed=seed))
    split_of = {name: "val" if name in val else "seen" for name in classes}
    return split_of | {name: "unseen" for name in classes if name in unseen}


def _describe(class_id: str, definitions: dict[str, Definition]) -> ClassInfo:
    name = spoken(class_id)
    defined = defining(class_id, definitions)
    return ClassInfo(class_id, name, (f"a photo of a {name}", *defined))


def defining(class_id: str, definitions: dict[str, Definition]) -> tuple[str, ...]:
    """Return a class's definition and synonyms as a text, if it has any."""
    name, definition = spoken(class_id), define(class_id, definitions)
    if definition is None:
        return ()
    others = [synonym for synonym in definition.synonyms if synonym != name]
    also = f"; also called {', '.join(others)}" if others else ""
    return (f"{name}: {definition.text}{also}",)


def add_images(draft: Draft, domain: str, class_id: str, split: str, paths: list[Path]) -> None:
    """Copy the sound images of one class and domain, and add their items.

    Raises:
        InputError: none is sound.
    """
    for path, file in copied(draft, domain, class_id, paths):
        photo, sketch = (file, None) if domain == "photo" else (None, file)
        attributes = {"domain": domain}
        item = Item(f"{class_id}/{path.stem}", split, class_id, photo, sketch, (), attributes)
        draft.add_item(item)


def copied(
    draft: Draft, domain: str, class_id: str, paths: list[Path]
) -> Iterator[tuple[Path, str]]:
    """Copy the sound images of one class and domain; yield each with its name in the collection.

    Raises:
        InputError: none is sound.
    """
    folder = draft.folder / domain / class_id
    folder.mkdir(parents=True)
    faults = {path: reason for path in paths if (reason := fault(path))}
    for path, reason in faults.items():
        draft.skip(f"{domain}/{class_id}/{path.name}", reason)
    if len(faults) == len(paths):
        raise InputError(f"{domain}/{class_id} has no image that can be used: {reason}")
    for path in (path for path in paths if path not in faults):
        shutil.copyfile(path, folder / path.name)
        yield path, f"{domain}/{class_id}/{path.name}"
