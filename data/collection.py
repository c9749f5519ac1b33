"""The collection format: items, classes, splits and tasks of one retrieval problem.

A folder with `items.jsonl`, `classes.json`, optional `tasks.json` with `tasks/<name>.jsonl`, the
images, optional `vectors/*.npy` (published features) and a manifest. Classes, texts and sketches
are each optional. Seen, validation and unseen classes are disjoint: that is checked at every load,
because every zero-shot figure rests on it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from zscr.artefact import Manifest, read_manifest, verify
from zscr.data.draft import Draft, new_collection
from zscr.data.records import ClassInfo, Item, class_from, item_from
from zscr.data.rules import SPLITS, check_files, check_items
from zscr.data.task_files import TASKS, TaskInfo, read_infos
from zscr.data.task_rules import Known, check_infos
from zscr.errors import CollectionError

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

        Raises:
            ArtefactError: there are none, or the file is damaged.
            CollectionError: the file is not an array of numbers.
        """
        name = f"vectors/{field_name}.npy"
        verify(self.folder, self.manifest, [name])
        try:
            array: Vectors = np.load(self.folder / name, allow_pickle=False)
        except (ValueError, EOFError) as error:
            raise CollectionError(
                f"{self.folder / name} is not an array of numbers ({error}); save it as float32"
            ) from error
        return array

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
    manifest = read_manifest(folder, "collection")
    stored = [TASKS] if TASKS in manifest.files else []
    verify(folder, manifest, ["items.jsonl", "classes.json", *stored])
    content = json.loads((folder / "classes.json").read_text("utf-8"))
    classes = [class_from(row) for row in content["classes"]]
    splits = {name: tuple(content[name]) for name in SPLITS}
    with (folder / "items.jsonl").open(encoding="utf-8") as lines:
        items = tuple(item_from(json.loads(line)) for line in lines)
    check_items(items, classes, splits)
    check_files(items, manifest.files)
    tasks = read_infos(folder) if stored else []
    check_infos(tasks, Known(items, splits, manifest.files))
    by_id = {info.id: info for info in classes}
    return Collection(folder, items, by_id, splits, {t.name: t for t in tasks}, manifest)
