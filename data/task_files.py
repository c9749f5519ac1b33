"""The stored form of tasks: `tasks.json` lists them, `tasks/<name>.jsonl` holds a query a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.artefact import dump_json, dump_jsonl
from zscr.data.records import FAULTS, Query, filled, read_table
from zscr.data.relevance import Truth
from zscr.errors import CollectionError
from zscr.regular import open_regular
from zscr.schema import listing, mapping, number, record, words
from zscr.strict_json import parse_json

TASKS = "tasks.json"
_TEXTS = ("text", "image", "sketch", "instead_of", "class", "value")
_NAMES = listing(words)  # of items
_TRUTH = record({"relevant": mapping(number())}, {"exclude": _NAMES, "subset": _NAMES})


@dataclass(frozen=True)
class TaskInfo:
    """What is the same for all queries of a task.

    Attributes:
        name: a word that serves as a file's name; it may not be `text` or `sketch` where there are
            classes, since tasks of these names follow from them.
        field: what of an item is retrieved, `image` or `sketch`.
        by: what decides what is relevant: `item` (each query lists items) or `class`.
        attribute: where it is the class and an attribute of items, that attribute's name.
        protocol: the published one that it follows; empty is the collection's.
        figures: the protocol's own figures, its headline first.
    """

    name: str
    field: str = "image"
    by: str = "item"
    attribute: str | None = None
    protocol: str = ""
    figures: tuple[str, ...] = ("mAP",)


@dataclass(frozen=True)
class TaskRow:
    """One query of a task, and what is relevant to it.

    Attributes:
        query: its files are named relative to the collection's folder.
        split: whose items it asks for.
        group: what macro figures average over and intervals resample, such as the class.
        truth: what is relevant, in a task by item.
        class_id: the class that is relevant, in a task by class; value: of the task's attribute.
        exclude: items that are left out of its ranking, in a task by class; a truth has its own.
    """

    query: Query
    split: str
    group: str
    truth: Truth | None = None
    class_id: str | None = None
    value: str | None = None
    exclude: tuple[str, ...] = ()


def task_file(name: str) -> str:
    """Return the file of a task's queries, relative to the collection's folder."""
    return f"tasks/{name}.jsonl"


def write_tasks(folder: Path, tasks: Sequence[tuple[TaskInfo, Iterable[TaskRow]]]) -> None:
    """Write the list of tasks and each one's queries, if there are any tasks."""
    if not tasks:
        return
    (folder / TASKS).write_bytes(dump_json([_info_row(info) for info, _ in tasks]))
    (folder / "tasks").mkdir()
    for info, rows in tasks:
        (folder / task_file(info.name)).write_bytes(dump_jsonl(map(_row, rows)))


def read_infos(folder: Path) -> list[TaskInfo]:
    """Read the list of tasks.

    Raises:
        CollectionError: it is no list of tasks.
    """
    path = folder / TASKS
    try:
        with open_regular(path) as file:
            return [_info_from(row) for row in parse_json(file.read())]
    except FAULTS as error:
        raise CollectionError(f"{path} is no list of tasks ({error!r}); write it again") from error


def read_rows(folder: Path, name: str) -> list[TaskRow]:
    """Read the queries of a task.

    Raises:
        CollectionError: a line is no query; names its number.
    """
    return read_table(folder / task_file(name), _row_from, "query of a task")


def _info_row(info: TaskInfo) -> dict[str, Any]:
    relevance = filled({"by": info.by, "attribute": info.attribute})
    row = {"name": info.name, "protocol": info.protocol, "field": info.field}
    return filled(row) | {"relevance": relevance, "figures": info.figures}


def _info_from(row: Mapping[str, Any]) -> TaskInfo:
    relevance = row["relevance"]
    decided = relevance["by"], relevance.get("attribute")
    return TaskInfo(
        row["name"], row["field"], *decided, row.get("protocol", ""), tuple(row["figures"])
    )


def _row(row: TaskRow) -> dict[str, Any]:
    query = row.query
    line: dict[str, Any] = {"id": query.id, "split": row.split, "group": row.group}
    line |= {"text": query.text, "image": query.image, "sketch": query.sketch}
    line |= {"instead_of": query.instead_of, "exclude": row.exclude}
    if row.truth:
        line["relevant"] = dict(row.truth.relevant)
        line |= {"exclude": row.truth.exclude, "subset": row.truth.subset}
    return filled(line | {"class": row.class_id, "value": row.value})


def _row_from(row: Mapping[str, Any]) -> TaskRow:
    texts = {key: row.get(key) for key in _TEXTS}
    texts |= {key: row[key] for key in ("id", "split", "group")}
    if wrong := [key for key, value in texts.items() if not isinstance(value, str | None)]:
        raise TypeError(f"{wrong[0]} is no string")
    asked = {key: texts[key] for key in ("text", "image", "sketch", "instead_of")}
    query, about = Query(row["id"], **asked), (row["split"], row["group"])
    if "relevant" in row:
        _TRUTH(row, "")
        relevant = {name: float(grade) for name, grade in row["relevant"].items()}
        truth = Truth(relevant, tuple(row.get("exclude", ())), tuple(row.get("subset", ())))
        return TaskRow(query, *about, truth, texts["class"], texts["value"])
    _NAMES(exclude := row.get("exclude", []), "exclude")
    return TaskRow(query, *about, None, texts["class"], texts["value"], tuple(exclude))
