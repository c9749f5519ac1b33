"""The queries of a collection's tasks, stored ones and those that follow from what it holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from zscr.artefact import verify
from zscr.data.collection import SPLITS, Collection
from zscr.data.records import Item, Query
from zscr.data.relevance import Truth
from zscr.data.rules import refuse
from zscr.data.task_files import TaskInfo, TaskRow, read_rows, task_file
from zscr.data.task_info_rules import DERIVED, follows
from zscr.data.task_rules import check_rows
from zscr.errors import CollectionError

CAPTIONS = ("R@1", "R@5", "R@10")  # the figures of captions that ask for their image


def task_names(collection: Collection) -> list[str]:
    """Return the names of a collection's tasks, those that follow from what it holds first."""
    items, classes = collection.items, collection.classes.values()
    if not classes:
        captioned = any(_is_captioned(collection, item) for item in items)
        follows = captioned and "text" not in collection.tasks
        return ["text"] * follows + [*collection.tasks]
    if collection.has_vectors("text"):
        described = any(c.text_rows and c.text_rows[0] < c.text_rows[1] for c in classes)
    else:
        described = any(c.descriptions for c in classes) or any(item.texts for item in items)
    asked = {
        "text": described,
        "sketch": any(item.sketch for item in items),
    }
    found = any(collection.known.holds(item, "image") for item in items)
    stored = [name for name in collection.tasks if name not in DERIVED]
    return [name for name in DERIVED if found and asked[name]] + stored


def task_info(collection: Collection, name: str) -> TaskInfo:
    """Return what is the same for all queries of one of a collection's tasks."""
    if stored := collection.tasks.get(name):
        return stored
    return TaskInfo(name, by="class") if collection.classes else TaskInfo(name, figures=CAPTIONS)


def task_rows(collection: Collection, name: str, splits: Sequence[str] = SPLITS) -> list[TaskRow]:
    """Return the queries of a task in some splits; files are named relative to the collection.

    Raises:
        CollectionError: there is no such task (lists those that exist), or it is not sound.
        ArtefactError: its file, or that of published text vectors, is damaged.
    """
    names = task_names(collection)
    if name not in names:
        raise CollectionError(
            f"{collection.folder} has no task '{name}'; it has {', '.join(names) or 'none at all'}"
        )
    if follows(name, collection.known) or name not in collection.tasks:
        of_classes = _texts if name == "text" else _sketches
        rows = of_classes if collection.classes else _captions
        return [row for split in splits for row in rows(collection, split)]
    verify(collection.folder, collection.manifest, [task_file(name)])
    stored = read_rows(collection.folder, name)
    check_rows(collection.tasks[name], stored, collection.known)
    return [row for row in stored if row.split in splits]


def _captions(collection: Collection, split: str) -> Iterator[TaskRow]:
    """Yield each caption of each image, which asks for that image alone (Karpathy's protocol)."""
    for item in collection.split(split):
        if _is_captioned(collection, item):
            truth = Truth({item.id: 1.0})
            for number, text in enumerate(item.texts):
                yield TaskRow(Query(f"{item.id}#{number}", text), split, item.id, truth)


def _is_captioned(collection: Collection, item: Item) -> bool:
    return bool(item.texts) and collection.known.holds(item, "image")


def _texts(collection: Collection, split: str) -> Iterator[TaskRow]:
    """Yield each text of each class, its published vector where there are such."""
    classes = collection.splits.get(split, ())
    field, values = "text", dict[str, Any](collection.texts(classes))
    if collection.has_vectors("text"):
        field, vectors = "vector", collection.vectors("text")
        spans = {name: collection.classes[name].text_rows or (0, 0) for name in classes}
        lost = [name for name, (_, stop) in spans.items() if stop > len(vectors)]
        refuse(lost, f"classes have text_rows beyond the {len(vectors)} of vectors/text.npy")
        values = {name: vectors[slice(*span)] for name, span in spans.items()}
    for name in classes:
        for number, value in enumerate(values[name]):
            query = Query(f"{name}#{number}", **{field: value})
            yield TaskRow(query, split, name, class_id=name)


def _sketches(collection: Collection, split: str) -> Iterator[TaskRow]:
    """Yield each sketch, class after class."""
    for row in gallery_rows(collection, split, "sketch"):
        item = collection.items[row]
        query = Query(item.id, sketch=item.sketch)
        yield TaskRow(query, split, str(item.class_id), class_id=item.class_id)


def gallery_rows(collection: Collection, split: str, field: str = "image") -> list[int]:
    """Return which items of a split can be retrieved: class after class, in the split's order.

    Args:
        collection: whose `items` the rows are of.
        split: `seen`, `val` or `unseen`.
        field: `image` or `sketch`, which the items must have, or `vector`, which all have.
    """
    place = {name: number for number, name in enumerate(collection.splits.get(split, ()))}
    rows = [
        row
        for row, item in enumerate(collection.items)
        if item.split == split and (field == "vector" or getattr(item, field))
    ]
    return sorted(rows, key=lambda row: place.get(collection.items[row].class_id or "", 0))
