"""The collection format: items, classes, splits and queries of one retrieval problem.

A folder with `items.jsonl`, `classes.json`, optional `queries.jsonl`, the images, optional
`vectors/*.npy` (published features) and a manifest. Seen, validation and unseen classes are
disjoint: that is checked at every load, because every zero-shot figure rests on it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.artefact import (
    Manifest,
    Stage,
    dump_json,
    dump_jsonl,
    read_manifest,
    staged,
    verify,
)
from zscr.data.records import (
    ClassInfo,
    Item,
    Query,
    class_from,
    class_row,
    item_from,
    item_row,
    query_from,
    query_row,
)
from zscr.errors import CollectionError

__all__ = [
    "SPLITS",
    "ClassInfo",
    "Collection",
    "Draft",
    "Item",
    "Query",
    "new_collection",
    "read_collection",
]

SPLITS = ("seen", "val", "unseen")
Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Collection:
    """A collection on disk, checked. `protocol` names the published protocol it follows."""

    folder: Path
    items: tuple[Item, ...]
    classes: Mapping[str, ClassInfo]
    splits: Mapping[str, tuple[str, ...]]
    queries: tuple[Query, ...]
    manifest: Manifest

    @property
    def name(self) -> str:
        """The collection's own name, such as `aviary`."""
        return str(self.manifest.body["name"])

    @property
    def protocol(self) -> str:
        """The evaluation protocol it follows."""
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
        """Return the published vectors of `image` (a row an item) or `text` (see `text_rows`)."""
        name = f"vectors/{field_name}.npy"
        verify(self.folder, self.manifest, [name])
        array: Vectors = np.load(self.folder / name, allow_pickle=False)
        return array

    @cached_property
    def counts(self) -> Counter[str]:
        """Number of items per class id."""
        return Counter(item.class_id for item in self.items)


def read_collection(folder: Path) -> Collection:
    """Read and check a collection; images are hashed only by `zscr data check`.

    Raises:
        ArtefactError: the folder is not a sound collection.
        CollectionError: its contents contradict each other.
    """
    manifest = read_manifest(folder, "collection")
    tables = [n for n in ("items.jsonl", "classes.json", "queries.jsonl") if n in manifest.files]
    verify(folder, manifest, tables)
    content = json.loads((folder / "classes.json").read_text("utf-8"))
    classes = [class_from(row) for row in content["classes"]]
    items = tuple(item_from(row) for row in _rows(folder / "items.jsonl"))
    queries = tuple(query_from(row) for row in _rows(folder / "queries.jsonl"))
    splits = {name: tuple(content[name]) for name in SPLITS}
    check(items, classes, splits, queries)
    _require_files(items, manifest.files)
    return Collection(folder, items, {c.id: c for c in classes}, splits, queries, manifest)


def _require_files(items: Iterable[Item], files: Container[str]) -> None:
    """Refuse images that are not the collection's own: no path may lead out of its folder."""
    lost = [i.id for i in items if any(n and n not in files for n in (i.image, i.sketch))]
    _refuse(lost, "items name an image that the collection does not hold")


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def check(
    items: Iterable[Item],
    classes: Iterable[ClassInfo],
    splits: Mapping[str, Iterable[str]],
    queries: Iterable[Query],
) -> None:
    """Prove that splits are disjoint, ids unique and every reference resolves.

    Raises:
        CollectionError: names the first offenders and their number.
    """
    split_of: dict[str, str] = {}
    for name in SPLITS:
        twice = sorted(set(splits[name]) & set(split_of))
        _refuse(twice, f"classes are in split '{name}' and in an earlier one; keep each in one")
        split_of |= dict.fromkeys(splits[name], name)
    _refuse(_repeated(c.id for c in classes), "class ids occur twice; make them unique")
    unlisted = sorted({c.id for c in classes} ^ set(split_of))
    _refuse(unlisted, "classes are in classes or in a split list, but not in both")
    ids = [item.id for item in items]
    _refuse(_repeated(ids), "item ids occur twice; make them unique")
    wrong = [item.id for item in items if split_of.get(item.class_id) != item.split]
    _refuse(wrong, "items name a class that is unknown or of another split")
    known = set(ids)
    lost = [q.id for q in queries if not known.issuperset([*q.relevant, *q.exclude])]
    _refuse(lost, "queries name items that do not exist")


def _repeated(ids: Iterable[str]) -> list[str]:
    return sorted(key for key, count in Counter(ids).items() if count > 1)


def _refuse(offenders: list[str], why: str) -> None:
    if offenders:
        shown = ", ".join(offenders[:3]) + (", …" if len(offenders) > 3 else "")
        raise CollectionError(f"{len(offenders)} {why}: {shown}")


@dataclass
class Draft:
    """A collection in the making: save images under `folder`, then add what refers to them."""

    stage: Stage
    classes: list[ClassInfo] = field(default_factory=list)
    splits: dict[str, list[str]] = field(default_factory=lambda: {name: [] for name in SPLITS})
    items: list[Item] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where images and vectors go."""
        return self.stage.folder

    def add_class(self, info: ClassInfo, split: str) -> None:
        """Add a class to one split."""
        self.classes.append(info)
        self.splits[split].append(info.id)

    def add_item(self, item: Item) -> None:
        """Add an item whose files are saved already."""
        self.items.append(item)

    def add_query(self, query: Query) -> None:
        """Add a query with its relevant items."""
        self.queries.append(query)

    def save_vectors(self, field_name: str, rows: Vectors) -> None:
        """Save published vectors of `image` (a row an item) or `text` (see `text_rows`)."""
        folder = self.folder / "vectors"
        folder.mkdir(exist_ok=True)
        np.save(folder / f"{field_name}.npy", np.ascontiguousarray(rows, np.float32))

    def skip(self, source: str, reason: str) -> None:
        """Record a source file that could not be used; it ends up in `errors.jsonl`."""
        self.skipped.append({"source": source, "reason": reason})


@contextmanager
def new_collection(
    path: Path, *, name: str, protocol: str, provenance: Mapping[str, Any]
) -> Iterator[Draft]:
    """Yield a draft; check it and publish it as the collection `path` when the block succeeds.

    Args:
        path: the folder to make; must not exist.
        name: short name, used in the names of runs and bundles.
        protocol: the published evaluation protocol that it follows, quirks included.
        provenance: how it was made: source, seed, versions.
    """
    with staged(path, "collection") as stage:
        draft = Draft(stage)
        yield draft
        check(draft.items, draft.classes, draft.splits, draft.queries)
        saved = {p.relative_to(draft.folder).as_posix() for p in draft.folder.rglob("*.*")}
        _require_files(draft.items, saved)
        stage.body |= {"name": name, "protocol": protocol, "provenance": dict(provenance)}
        _write_tables(draft)


def _write_tables(draft: Draft) -> None:
    classes = {"classes": [class_row(c) for c in draft.classes], **draft.splits}
    (draft.folder / "classes.json").write_bytes(dump_json(classes))
    (draft.folder / "items.jsonl").write_bytes(dump_jsonl(map(item_row, draft.items)))
    if draft.queries:
        (draft.folder / "queries.jsonl").write_bytes(dump_jsonl(map(query_row, draft.queries)))
    if draft.skipped:
        (draft.folder / "errors.jsonl").write_bytes(dump_jsonl(draft.skipped))
