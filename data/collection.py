"""The collection format: items, classes, splits and tasks of one retrieval problem.

A folder with `items.jsonl`, `classes.json`, optional `tasks.json` with `tasks/<name>.jsonl`, the
images, optional `vectors/*.npy` (published features) and a manifest. Classes, texts and sketches
are each optional. Seen, validation and unseen classes are disjoint: that is checked at every load,
because every zero-shot figure rests on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from zscr.arrays import map_npy
from zscr.artefact import Manifest, read_manifest, read_verified, verify
from zscr.data.corpus import Corpus, read_corpus
from zscr.data.draft import Draft, new_collection
from zscr.data.records import FAULTS, ClassInfo, Item, class_from, item_from, read_table
from zscr.data.rules import SPLITS, check_files, check_items
from zscr.data.task_files import TASKS, TaskInfo, read_infos
from zscr.data.task_info_rules import check_infos
from zscr.data.task_rules import Known
from zscr.errors import CollectionError
from zscr.schema import anything, mapping, record, text, title
from zscr.strict_json import parse_json

__all__ = [
    "SPLITS",
    "ClassInfo",
    "Collection",
    "Draft",
    "Item",
    "new_collection",
    "read_collection",
]

Vectors = npt.NDArray[np.float32]
FIELDS = record({"name": title, "protocol": text(), "provenance": mapping(anything)})


@dataclass(frozen=True)
class Collection:
    """A collection on disk, checked.

    Attributes:
        classes: by id; empty in a collection without classes, as its splits are then.
        splits: the class ids of `seen`, `val` and `unseen`; items know their split themselves.
        tasks: those that are stored; `zscr.data.tasks` knows the ones that follow from classes.
    """

    folder: Path
    items: tuple[Item, ...]
    classes: Mapping[str, ClassInfo]
    splits: Mapping[str, tuple[str, ...]]
    tasks: Mapping[str, TaskInfo]
    manifest: Manifest

    @property
    def name(self) -> str:
        """The collection's own name, such as `aviary`."""
        return str(self.manifest.body["name"])

    @property
    def protocol(self) -> str:
        """The published evaluation protocol that it follows."""
        return str(self.manifest.body["protocol"])

    def split(self, name: str) -> list[Item]:
        """Return the items of one split, in the collection's order."""
        return [item for item in self.items if item.split == name]

    def texts(self, classes: Iterable[str]) -> dict[str, list[str]]:
        """Return each class's texts: its descriptions first, then its items' captions."""
        texts = {name: list(self.classes[name].descriptions) for name in classes}
        for item in self.items:
            if item.class_id in texts:
                texts[item.class_id] += item.texts
        return texts

    def has_vectors(self, field_name: str) -> bool:
        """Say whether it holds published vectors of `image` or `text`."""
        return f"vectors/{field_name}.npy" in self.manifest.files

    def vectors(self, field_name: str) -> Vectors:
        """Return the published vectors of `image` (a row an item) or `text` (see `text_rows`).

        The file is hashed at the first call and mapped, not read: the array cannot be written to.

        Raises:
            ArtefactError: there are none, or the file is damaged.
            CollectionError: the file is not a matrix of float32, or has not a row an item.
        """
        if field_name not in self._mapped:
            name = f"vectors/{field_name}.npy"
            verify(self.folder, self.manifest, [name])
            count = len(self.items) if field_name == "image" else None
            self._mapped[field_name] = _map_array(self.folder / name, count)
        return self._mapped[field_name]

    @cached_property
    def _mapped(self) -> dict[str, Vectors]:
        """The published vectors that were asked for."""
        return {}

    @cached_property
    def corpus(self) -> Corpus | None:
        """Images that lie elsewhere, in place of items; None where it has none.

        Raises:
            ArtefactError, CollectionError: their list is damaged.
        """
        return read_corpus(self.folder, self.manifest)

    @cached_property
    def counts(self) -> Counter[str]:
        """Number of items per class id."""
        return Counter(item.class_id for item in self.items if item.class_id is not None)

    @cached_property
    def known(self) -> Known:
        """What its tasks may refer to."""
        return Known(self.items, self.splits, self.manifest.files)


def read_collection(folder: Path) -> Collection:
    """Read and check a collection; images are hashed only by `zscr data check`.

    Raises:
        ArtefactError: the folder is not a sound collection.
        CollectionError: its contents contradict each other.
    """
    manifest = read_manifest(folder, "collection", FIELDS)
    stored = [TASKS] if TASKS in manifest.files else []
    verify(folder, manifest, ["items.jsonl", *stored])
    raw = read_verified(folder, manifest, "classes.json")
    classes, splits = _read_classes(folder / "classes.json", bytes(raw))
    items = tuple(read_table(folder / "items.jsonl", item_from, "item"))
    check_items(items, classes, splits)
    check_files(items, manifest.files)
    tasks = read_infos(folder) if stored else []
    check_infos(tasks, Known(items, splits, manifest.files))
    by_id = {info.id: info for info in classes}
    return Collection(folder, items, by_id, splits, {t.name: t for t in tasks}, manifest)


def _read_classes(path: Path, raw: bytes) -> tuple[list[ClassInfo], dict[str, tuple[str, ...]]]:
    """Read the classes, and the class ids of each split.

    Raises:
        CollectionError: the file holds something else; names the line of what is no JSON.
    """
    number = 0  # of the class that is being read
    try:
        content = parse_json(raw)
        classes = []
        for row in content["classes"]:
            number += 1
            classes.append(class_from(row))
        number = 0
        splits = {name: tuple(content[name]) for name in SPLITS}
        if not all(isinstance(class_id, str) for ids in splits.values() for class_id in ids):
            raise TypeError("a split names a class by something else than a string")
    except FAULTS as error:
        where = f"{path}, class {number}" if number else str(path)
        raise CollectionError(f"{where} is not in the format ({error!r}); correct it") from error
    return classes, splits


def _map_array(path: Path, count: int | None) -> Vectors:
    """Map a matrix of `count` rows; None takes any number."""
    try:
        rows = np.asarray(map_npy(path))
    except ValueError as error:
        raise CollectionError(
            f"{path} is not an array of numbers ({error}); save it as float32"
        ) from error
    if rows.ndim != 2 or rows.dtype != np.float32 or count not in (None, len(rows)):
        wanted = f"({'N' if count is None else count}, D) float32"
        raise CollectionError(f"{path} is {rows.shape} {rows.dtype}, not {wanted}")
    return rows
