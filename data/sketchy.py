"""Makes a collection of Sketchy (photos and sketches of 125 classes) with a zero-shot split."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from zscr.data.archive import opened
from zscr.data.artefact import hash_file
from zscr.data.collection import ClassInfo, Draft, Item, new_collection
from zscr.data.definitions import Definition, define, read_definitions, spoken
from zscr.data.pictures import find_pictures
from zscr.data.splits import hold_out
from zscr.errors import InputError

NAMES = "clip_text_names.zip"
VAL_CLASSES = 15

Split = Literal["21", "25"]
_LISTS = {"21": "split_zeroshot0_unseen.txt", "25": "split_zeroshot1_unseen.txt"}
_PROTOCOLS = {
    "21": "Sketchy zero-shot, 21 unseen classes outside ImageNet-1k (Yelamarthi et al. 2018)",
    "25": "Sketchy zero-shot, 25 unseen classes (list zeroshot1), which overlap ImageNet-1k",
}


def convert_sketchy(
    source: Path, out: Path, *, split: Split = "21", seed: int = 7, names: Path | None = None
) -> None:
    """Convert a Sketchy folder or ZIP into the collection `out`.

    Photos are items of domain `photo`, sketches items of domain `sketch`, ids `class/file stem`;
    what is relevant to a sketch is its class. A class is described by `a photo of a …` and, where
    LVIS knows it, by its definition and synonyms.

    Args:
        source: `photo/<class>/*.jpg`, `sketch/<class>/*.png` and the lists of unseen classes.
        out: the collection to make; must not exist.
        split: the published list of 21 or of 25 unseen classes.
        seed: of the choice of the 15 validation classes among the seen ones.
        names: LVIS's list of categories; by default `clip_text_names.zip` beside `source`, if any.

    Raises:
        InputError: the source lacks its lists or pictures, or they contradict each other.
    """
    definitions = _definitions(source, names)
    with opened(source) as folder:
        root = _root(source, folder)
        pictures = {domain: _by_class(root / domain) for domain in ("photo", "sketch")}
        split_of = _splits(root / _LISTS[split], sorted(pictures["photo"]), seed)
        defined = sum(define(name, definitions) is not None for name in split_of)
        lone = sorted(set(pictures["photo"]) ^ set(pictures["sketch"]))
        if lone:
            raise InputError(f"{source}: {', '.join(lone[:3])} has photos or sketches, not both")
        provenance = {
            "source": source.name,
            "sha256": hash_file(source) if source.is_file() else None,
            "seed": seed,
            "classes_with_definition": defined,
        }
        most = max(map(len, pictures["photo"].values()))
        protocol = f"{_PROTOCOLS[split]}, up to {most} photos a class"
        name = "sketchy25" if split == "21" else "sketchy25-25"
        with new_collection(out, name=name, protocol=protocol, provenance=provenance) as draft:
            for class_id, where in split_of.items():
                draft.add_class(_describe(class_id, definitions), where)
            for domain, by_class in pictures.items():
                for class_id, paths in by_class.items():
                    _add(draft, domain, class_id, split_of[class_id], paths)


def _definitions(source: Path, names: Path | None) -> dict[str, Definition]:
    """Read the definitions that were asked for, or those that lie beside the source."""
    beside = source.parent / NAMES
    if names is None and not beside.is_file():
        return {}
    return read_definitions(names or beside)


def _root(source: Path, folder: Path) -> Path:
    found = sorted(path.parent for path in folder.rglob(_LISTS["21"]))
    if len(found) != 1:
        raise InputError(f"{source} holds {_LISTS['21']} {len(found)} times, not once")
    return found[0]


def _by_class(folder: Path) -> dict[str, list[Path]]:
    pictures: dict[str, list[Path]] = {}
    for path in find_pictures(folder):
        pictures.setdefault(path.parent.name, []).append(path)
    if not pictures:
        raise InputError(f"{folder.name}/<class>/ holds no picture in this Sketchy source")
    return pictures


def _splits(unseen_list: Path, classes: list[str], seed: int) -> dict[str, str]:
    """Return the split of every class; a line of the list is `class number`."""
    lines = unseen_list.read_text("utf-8").splitlines() if unseen_list.is_file() else []
    unseen = {line.rsplit(" ", 1)[0] for line in lines if line.strip()}
    if not unseen or unseen - set(classes):
        lost = ", ".join(sorted(unseen - set(classes))[:3]) or "no class at all"
        raise InputError(f"{unseen_list.name} names {lost}, of which there are no photos")
    seen = [name for name in classes if name not in unseen]
    val = hold_out(seen, VAL_CLASSES, seed=seed)
    split_of = dict.fromkeys(classes, "seen") | dict.fromkeys(val, "val")
    return split_of | dict.fromkeys(sorted(unseen), "unseen")


def _describe(class_id: str, definitions: dict[str, Definition]) -> ClassInfo:
    name = spoken(class_id)
    texts = [f"a photo of a {name}"]
    if definition := define(class_id, definitions):
        others = [synonym for synonym in definition.synonyms if synonym != name]
        also = f"; also called {', '.join(others)}" if others else ""
        texts.append(f"{name}: {definition.text}{also}")
    return ClassInfo(class_id, name, tuple(texts))


def _add(draft: Draft, domain: str, class_id: str, split: str, paths: list[Path]) -> None:
    folder = draft.folder / domain / class_id
    folder.mkdir(parents=True)
    for path in paths:
        shutil.copyfile(path, folder / path.name)
        file = f"{domain}/{class_id}/{path.name}"
        item_id = f"{class_id}/{path.stem}"
        if domain == "photo":
            draft.add_item(Item(item_id, class_id, split, image=file, domain=domain))
        else:
            draft.add_item(Item(item_id, class_id, split, sketch=file, domain=domain))
