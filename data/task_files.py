"""The stored form of tasks: `tasks.json` lists them, `tasks/<name>.jsonl` holds a query a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cached_property
from pathlib import Path
from typing import Any

from zscr.artefact import dump_json, dump_jsonl
from zscr.data.records import FAULTS, Query, Term, filled, read_table
from zscr.data.relevance import Truth
from zscr.errors import CollectionError
from zscr.regular import open_regular
from zscr.schema import flag, integer, listing, mapping, number, record, words
from zscr.strict_json import parse_json

TASKS = "tasks.json"
_TEXTS = ("text", "image", "sketch", "instead_of")  # what a stored query is made of
_NAMES = listing(words)  # of items
_TRUTH = record({"relevant": mapping(number())}, {"exclude": _NAMES, "subset": _NAMES})
_TERMS = listing(record({"weight": number()}, dict.fromkeys(_TEXTS, words)), 1)
_GALLERIES, _COUNT = mapping(_NAMES), integer(0, 1 << 40)
_DECIDED = ("class", "value", "gallery")  # of a row: what a query asks for, and where


@dataclass(frozen=True)
class TaskInfo:
    """What is the same for all queries of a task.

    Attributes:
        name: a word that serves as a file's name. Where there are classes, the queries of `text`
            and `sketch` follow from them: what may be said is `protocol`, `figures`, `missing`.
        field: what of an item is retrieved, `image` or `sketch`.
        by: what decides what is relevant: `item` (each query lists items) or `class`.
        attribute: where it is the class and an attribute of items, that attribute's name.
        protocol: the published one that it follows; empty is the collection's.
        figures: the protocol's own figures, its headline first.
        within: `class` where each query searches the items of its own class alone; else None.
        zeros: whether queries that nothing is relevant to count, with 0, as some protocols have
            it; else they are refused.
        galleries: name -> the items that queries search who name it; none: all of their split.
        server: the format of the file in which rankings go to the server that alone knows what is
            relevant, such as `cirr`; None where the queries list it.
        missing: images and queries of the protocol that were not there when it was converted.
    """

    name: str
    field: str = "image"
    by: str = "item"
    attribute: str | None = None
    protocol: str = ""
    figures: tuple[str, ...] = ("mAP",)
    within: str | None = None
    zeros: bool = False
    galleries: Mapping[str, tuple[str, ...]] = dataclass_field(default_factory=dict)
    server: str | None = None
    missing: int = 0

    @cached_property
    def held(self) -> dict[str, frozenset[str]]:
        """The items of each gallery, to look one up in."""
        return {name: frozenset(items) for name, items in self.galleries.items()}


@dataclass(frozen=True)
class TaskRow:
    """One query of a task, and what is relevant to it.

    Attributes:
        query: its files are named relative to the collection's folder.
        split: whose items it asks for.
        group: what macro figures average over and intervals resample, such as the class.
        truth: what is relevant, in a task by item; nothing, where a server alone knows.
        class_id: the class that is relevant, in a task by class; value: of the task's attribute.
        gallery: the name of the gallery that it searches, where the task has several.
        exclude: items that are left out of its ranking, in a task by class; a truth has its own.
    """

    query: Query
    split: str
    group: str
    truth: Truth | None = None
    class_id: str | None = None
    value: str | None = None
    gallery: str | None = None
    exclude: tuple[str, ...] = ()


def task_file(name: str) -> str:
    """Return the file of a task's queries, relative to the collection's folder."""
    return f"tasks/{name}.jsonl"


def write_tasks(folder: Path, tasks: Sequence[tuple[TaskInfo, Sequence[TaskRow]]]) -> None:
    """Write the list of tasks, if there are any, and each one's queries, unless these follow."""
    if not tasks:
        return
    (folder / TASKS).write_bytes(dump_json([_info_row(info) for info, _ in tasks]))
    for info, rows in ((info, rows) for info, rows in tasks if rows):
        (folder / "tasks").mkdir(exist_ok=True)
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
    relevance = {"by": info.by, "attribute": info.attribute, "within": info.within}
    relevance = filled(relevance | {"zeros": info.zeros or None})
    named = {"name": info.name, "protocol": info.protocol, "field": info.field}
    known = {"server": info.server, "missing": info.missing or None}
    of_all = {"relevance": relevance, "figures": info.figures}
    return filled(named) | of_all | filled(known | {"galleries": dict(info.galleries)})


def _info_from(row: Mapping[str, Any]) -> TaskInfo:
    relevance = row["relevance"]
    galleries, zeros = row.get("galleries", {}), relevance.get("zeros", False)
    _GALLERIES(galleries, "galleries")
    _COUNT(row.get("missing", 0), "missing")
    flag(zeros, "relevance.zeros")
    return TaskInfo(
        row["name"],
        row["field"],
        relevance["by"],
        relevance.get("attribute"),
        row.get("protocol", ""),
        tuple(row["figures"]),
        relevance.get("within"),
        zeros,
        {name: tuple(items) for name, items in galleries.items()},
        row.get("server"),
        row.get("missing", 0),
    )


def _row(row: TaskRow) -> dict[str, Any]:
    query = row.query
    line: dict[str, Any] = {"id": query.id, "split": row.split, "group": row.group}
    line |= {"terms": [_term(term) for term in query.terms or ()], **_asked(query)}
    line |= {"exclude": row.exclude}
    if row.truth:
        line |= {"exclude": row.truth.exclude, "subset": row.truth.subset}
    line |= {"class": row.class_id, "value": row.value, "gallery": row.gallery}
    relevant = {"relevant": dict(row.truth.relevant)} if row.truth else {}  # there, even if empty
    return filled(line) | relevant


def _asked(query: Query) -> dict[str, Any]:
    return {key: getattr(query, key) for key in _TEXTS}


def _term(term: Term) -> dict[str, Any]:
    return filled(_asked(term.query)) | {"weight": term.weight}


def _row_from(row: Mapping[str, Any]) -> TaskRow:
    texts = {key: row.get(key) for key in (*_TEXTS, *_DECIDED)}
    texts |= {key: row[key] for key in ("id", "split", "group")}
    if wrong := [key for key, value in texts.items() if not isinstance(value, str | None)]:
        raise TypeError(f"{wrong[0]} is no string")
    query = Query(row["id"], terms=_terms_from(row), **{key: texts[key] for key in _TEXTS})
    about = row["split"], row["group"]
    class_id, value, gallery = (texts[key] for key in _DECIDED)
    if "relevant" in row:
        _TRUTH(row, "")
        relevant = {name: float(grade) for name, grade in row["relevant"].items()}
        truth = Truth(relevant, tuple(row.get("exclude", ())), tuple(row.get("subset", ())))
        return TaskRow(query, *about, truth, class_id, value, gallery)
    _NAMES(exclude := row.get("exclude", []), "exclude")
    return TaskRow(query, *about, None, class_id, value, gallery, tuple(exclude))


def _terms_from(row: Mapping[str, Any]) -> tuple[Term, ...] | None:
    if "terms" not in row:
        return None
    _TERMS(row["terms"], "terms")
    asked = ({key: one.get(key) for key in _TEXTS} for one in row["terms"])
    weights = (float(one["weight"]) for one in row["terms"])
    return tuple(Term(Query(row["id"], **a), w) for a, w in zip(asked, weights, strict=True))
