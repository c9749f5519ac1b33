"""Tasks: what a collection asks, of which gallery, and what is relevant; every figure is of one.

Two follow from a collection's classes: `text` (each text of the split's classes asks for their
images) and `sketch` (each sketch does). Without classes `text` follows from the captions: each asks
for its own image. Others stand in `tasks.json` and `tasks/<name>.jsonl`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from zscr.data.collection import SPLITS, Collection, Item
from zscr.data.own_gallery import Within, Without
from zscr.data.records import Query
from zscr.data.relevance import ByItem, ByLabel, Relevance
from zscr.data.task_files import TaskInfo, TaskRow
from zscr.data.task_rows import gallery_rows, task_info, task_names, task_rows
from zscr.errors import CollectionError, ConfigError

__all__ = [
    "Task",
    "gallery_queries",
    "gallery_rows",
    "lacking_words",
    "load_task",
    "query_labels",
    "task_info",
    "task_names",
    "task_rows",
]


@dataclass(frozen=True)
class Task:
    """Queries over a gallery of one split.

    Attributes:
        name: such as `text` or `composed`; protocol: the published one that it follows.
        split: `seen`, `val` or `unseen`.
        queries: Q queries that fill the same fields; image paths are absolute.
        gallery: G item ids.
        field: what of an item is retrieved: `image`, `sketch`, or `vector` where the collection has
            published vectors of its images.
        relevance: of the gallery's items, by position.
        groups: (Q,) what macro figures average over and intervals resample, such as the class.
        figures: the protocol's own figures, its headline first.
        zeros: whether queries that nothing is relevant to count, with 0; else they are refused.
        server: the format of the file in which rankings go to the server that alone knows what is
            relevant; None where it is known here.
        missing: images and queries of the protocol that the collection lacks.
    """

    name: str
    protocol: str
    split: str
    queries: tuple[Query, ...]
    gallery: tuple[str, ...]
    field: str
    relevance: Relevance
    groups: tuple[str, ...]
    figures: tuple[str, ...] = ("mAP",)
    zeros: bool = False
    server: str | None = None
    missing: int = 0

    def require_answers(self) -> None:
        """Refuse to judge by answers that are not published.

        Raises:
            ConfigError: a server alone knows what is relevant.
        """
        if self.server:
            raise ConfigError(
                f"what is relevant to the queries of task '{self.name}' is not published, so there "
                f"are no figures; write what its server takes with --server-file FOLDER"
            )

    @property
    def fields(self) -> frozenset[str]:
        """What its queries fill, or each part of those that are sums."""
        return self.queries[0].parts[0].fields

    def narrowed(self, kept: list[int]) -> Task:
        """Return the task over some of its gallery, by position."""
        gallery = tuple(self.gallery[place] for place in kept)
        return replace(self, gallery=gallery, relevance=self.relevance.narrowed(kept))

    def widened(self, other: Task) -> Task:
        """Return the task over its own gallery followed by another task's."""
        return replace(
            self,
            gallery=self.gallery + other.gallery,
            relevance=self.relevance.widened(other.relevance),
        )


def load_task(collection: Collection, name: str, split: str) -> Task:
    """Read one split's queries and gallery of a task.

    Args:
        collection: that holds it.
        name: one of `task_names`.
        split: `seen`, `val` or `unseen`.

    Raises:
        CollectionError: there is no such task (lists those that exist), it is not sound, or the
            split has no query or nothing to be found.
        ArtefactError: its file, or that of published text vectors, is damaged.
    """
    rows = task_rows(collection, name, [split])
    info = task_info(collection, name)
    vectors = info.field == "image" and collection.has_vectors("image")
    field = "vector" if vectors else info.field
    items = _gallery(collection, info, split, field)
    if not rows or not items:
        raise CollectionError(
            f"task '{name}' of {collection.folder} has {len(rows)} queries and {len(items)} items "
            f"in its gallery in split '{split}'; choose a split of {', '.join(SPLITS)} with both"
        )
    located = partial(_located, folder=collection.folder.absolute())
    return Task(
        name=name,
        protocol=_protocol(collection, info),
        split=split,
        queries=tuple(row.query.each(located) for row in rows),
        gallery=tuple(item.id for item in items),
        field=field,
        relevance=_relevance(info, rows, items),
        groups=tuple(row.group for row in rows),
        figures=info.figures,
        zeros=info.zeros,
        server=info.server,
        missing=info.missing,
    )


def _protocol(collection: Collection, info: TaskInfo) -> str:
    """Return the protocol, and how much of it the collection lacks."""
    return (info.protocol or collection.protocol) + lacking_words(info.missing)


def lacking_words(missing: int) -> str:
    """Say, behind a protocol, how many of its images and queries are missing; nothing of none."""
    return f"; {missing} of its images and queries are missing" if missing else ""


def _gallery(collection: Collection, info: TaskInfo, split: str, field: str) -> list[Item]:
    """Return what a task can retrieve of a split: all, or what is in one of its galleries."""
    items = [collection.items[row] for row in gallery_rows(collection, split, field)]
    if not info.galleries:
        return items
    held = {name for names in info.galleries.values() for name in names}
    return [item for item in items if item.id in held]


def _located(query: Query, folder: Path) -> Query:
    """Return a query with the absolute paths of its files."""
    fields = query.fields & {"image", "sketch"}
    return replace(query, **{f: folder / getattr(query, f) for f in fields}) if fields else query


def _relevance(info: TaskInfo, rows: Sequence[TaskRow], items: Sequence[Item]) -> Relevance:
    """Return the relevance of all items, or within each query's gallery where there are several."""
    decided = _of_all(info, rows, items)
    if info.within:
        asked = [str(row.class_id) for row in rows]
        return Within.of_labels(decided, asked, [str(item.class_id) for item in items])
    if len(info.galleries) < 2:
        return decided
    asked = [str(row.gallery) for row in rows]
    return Within.of_items(decided, asked, info.galleries, [item.id for item in items])


def _of_all(info: TaskInfo, rows: Sequence[TaskRow], items: Sequence[Item]) -> Relevance:
    if info.by == "item":
        return ByItem([r.truth for r in rows if r.truth is not None], [i.id for i in items])
    relevance = _by_label(info.attribute, rows, items)
    if any(row.exclude for row in rows):
        return Without(relevance, [row.exclude for row in rows], [item.id for item in items])
    return relevance


def _by_label(key: str | None, rows: Sequence[TaskRow], items: Sequence[Item]) -> ByLabel:
    if key is None:
        return ByLabel([str(row.class_id) for row in rows], [str(i.class_id) for i in items])
    asked = [_label(row.class_id, row.value) for row in rows]
    return ByLabel(asked, [_label(i.class_id, i.attributes.get(key)) for i in items])


def _label(class_id: str | None, value: str | None) -> str:
    """Return one string for a class and an attribute's value: no two pairs have the same."""
    return json.dumps([class_id, value])


def gallery_queries(collection: Collection, task: Task) -> list[Query]:
    """Return what the gallery graph is run on, in the order of the task's gallery.

    Each fills `image` with the file that is retrieved, be it a photo or a sketch, or `vector` where
    the collection has published vectors of its images.
    """
    row_of = {item.id: row for row, item in enumerate(collection.items)}
    rows = [row_of[name] for name in task.gallery]
    if task.field == "vector":
        vectors = collection.vectors("image")
        return [Query(collection.items[row].id, vector=vectors[row]) for row in rows]
    folder, items = collection.folder.absolute(), [collection.items[row] for row in rows]
    return [Query(item.id, image=folder / getattr(item, task.field)) for item in items]


def query_labels(collection: Collection, task: Task) -> list[str]:
    """Return what each query says, for people: its text, its file, or both.

    A published vector of a text has no words: it is told by its class's name, and by its number
    where the class has several.
    """
    if "vector" in task.fields:
        return _numbered(collection, task.groups)
    folder = collection.folder.absolute()
    said = ([": ".join(_said(part, folder)) for part in q.parts] for q in task.queries)
    return [" / ".join(parts) for parts in said]


def _numbered(collection: Collection, groups: Sequence[str]) -> list[str]:
    several, number, labels = Counter(groups), Counter[str](), []
    for group in groups:
        number[group] += 1
        text = f", text {number[group]}" if several[group] > 1 else ""
        labels.append(collection.classes[group].name + text)
    return labels


def _said(query: Query, folder: Path) -> list[str]:
    files = [Path(str(file)) for file in (query.image, query.sketch) if file is not None]
    texts = [query.text] if query.text is not None else []
    return [*(file.relative_to(folder).as_posix() for file in files), *texts]
