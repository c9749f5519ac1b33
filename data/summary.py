"""Counts what a collection holds, by split and by class."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from zscr.data.collection import SPLITS, Collection
from zscr.data.describe.stored import has_descriptions, read_descriptions
from zscr.data.tasks import task_names, task_rows


@dataclass(frozen=True)
class SplitCounts:
    """Numbers of one split; `texts` are captions of items and descriptions of classes."""

    split: str
    classes: int
    items: int
    images: int
    sketches: int
    texts: int


@dataclass(frozen=True)
class ClassCounts:
    """Number of items of one class."""

    class_id: str
    name: str
    split: str
    items: int


@dataclass(frozen=True)
class TaskCounts:
    """Numbers of queries of one task; `asks` is what each query fills, such as `image+text`."""

    task: str
    asks: str
    retrieves: str
    seen: int
    val: int
    unseen: int


@dataclass(frozen=True)
class Described:
    """What is stored of classes that are trained on: by whom it was said, and when."""

    described: int
    sentences: int
    source: str
    date: str


@dataclass(frozen=True)
class Summary:
    """A collection in numbers; `descriptions` is empty, or one."""

    name: str
    protocol: str
    sha256: str
    splits: tuple[SplitCounts, ...]
    classes: tuple[ClassCounts, ...]
    tasks: tuple[TaskCounts, ...]
    descriptions: tuple[Described, ...]


def summarise(collection: Collection) -> Summary:
    """Count a collection's classes, items, images, texts and queries."""
    classes = tuple(
        ClassCounts(class_id, collection.classes[class_id].name, split, collection.counts[class_id])
        for split in SPLITS
        for class_id in collection.splits[split]
    )
    return Summary(
        name=collection.name,
        protocol=collection.protocol,
        sha256=collection.manifest.sha256,
        splits=tuple(_count(collection, split) for split in SPLITS),
        classes=classes,
        tasks=tuple(_count_task(collection, name) for name in task_names(collection)),
        descriptions=_described(collection.folder),
    )


def _described(folder: Path) -> tuple[Described, ...]:
    if not has_descriptions(folder):
        return ()
    stored = read_descriptions(folder)
    body, answers = stored.manifest.body, stored.answers.values()
    source = f"{body['model']} at {body['base_url']}" if "model" in body else body["source"]
    return (Described(len(answers), sum(map(len, answers)), source, body["date"]),)


def _count_task(collection: Collection, name: str) -> TaskCounts:
    rows = task_rows(collection, name)
    count = Counter(row.split for row in rows)
    asks = "+".join(sorted(rows[0].query.parts[0].fields))
    info = collection.tasks.get(name)
    retrieves = info.field if info else "image"
    return TaskCounts(name, asks, retrieves, *(count[split] for split in SPLITS))


def _count(collection: Collection, split: str) -> SplitCounts:
    items, classes = collection.split(split), collection.splits[split]
    elsewhere = collection.corpus.count(split) if collection.corpus else 0
    described = sum(len(collection.classes[class_id].descriptions) for class_id in classes)
    return SplitCounts(
        split=split,
        classes=len(classes),
        items=len(items) + elsewhere,
        images=sum(item.image is not None for item in items) + elsewhere,
        sketches=sum(item.sketch is not None for item in items),
        texts=described + sum(len(item.texts) for item in items),
    )
