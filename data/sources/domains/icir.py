"""Makes a collection of i-CIR: an object and what is to be different about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zscr.data.collection import ClassInfo, Draft, Item, new_collection
from zscr.data.records import Query
from zscr.data.sources.annotated import locate
from zscr.data.sources.archive import opened
from zscr.data.sources.definitions import spoken
from zscr.data.sources.domains.conversion import SPLIT, TRAPEZOID, put
from zscr.data.sources.domains.lists import find_lists
from zscr.data.sources.origin import described, numbered_lines, read_lines
from zscr.data.task_files import TaskInfo, TaskRow
from zscr.errors import InputError

QUERIES, DATABASE = "query_files.csv", "database_files.csv"
TEXT = "text"  # the attribute of items: what they are right for
_TASK = TaskInfo(
    "composed",
    by="class",
    attribute=TEXT,
    within="class",
    zeros=True,
    protocol="i-CIR (Psomas et al., NeurIPS 2025): each query searches the images of its own "
    "instance; published is the mean over instances (macro)",
    figures=(f"{TRAPEZOID} macro", TRAPEZOID, "mAP macro", "mAP"),
)


@dataclass(frozen=True)
class Row:
    """A line of a list: an image, a text that it asks by or is right for, and its instance."""

    name: str
    text: str
    instance: str


def convert_icir(source: Path, out: Path, *, skip_missing: bool = False) -> None:
    """Convert i-CIR into the collection `out`; its classes are the instances.

    In the task `composed` each query is an image of an instance and a text. It searches the images
    that the database lists for that instance alone; right are those with the same text.

    Args:
        source: a folder or ZIP with `query_files.csv` and `database_files.csv`, lines `path, text,
            instance` without a head, and the images.
        out: the collection to make; must not exist.
        skip_missing: leave out images that are missing, and queries that need them.

    Raises:
        InputError: a list is missing or has another form, or an image is missing.
    """
    with opened(source) as folder:
        lists = find_lists(source, folder, (QUERIES, DATABASE), _has_instances)
        queries, database = (_read(lists / name) for name in (QUERIES, DATABASE))
        images = locate([row.name for row in (*database, *queries)], folder)
        images.require(source, skip=skip_missing)
        provenance = dict[str, object](described(source))
        with new_collection(
            out, name="icir", protocol=_TASK.protocol, provenance=provenance
        ) as draft:
            files = put(draft, images)
            provenance["missing_images"] = len(images.files) + len(images.missing) - len(files)
            _add_items(draft, database, files)
            for name in dict.fromkeys(row.instance for row in (*database, *queries)):
                draft.add_class(ClassInfo(name, spoken(name)), SPLIT)
            provenance |= _add_task(draft, queries, database, files)


def _read(path: Path) -> list[Row]:
    """Read a list: what stands before the first comma, between, and behind the last one.

    An image of the database need not be right for any text.
    """
    rows = []
    for number, line in numbered_lines(path):
        name, _, rest = line.partition(",")
        text, _, instance = rest.rpartition(",")
        given = text or path.name == DATABASE
        if not (name and instance and given and line.count(",") > 1):
            raise InputError(
                f"{path}, line {number} is {line!a:.80}, not a path, a text and an instance with "
                f"commas between"
            )
        rows.append(Row(name, text, instance))
    if not rows:
        raise InputError(f"{path} names no image; fetch it again")
    return rows


def _has_instances(folder: Path) -> bool:
    return any(line.count(",") >= 2 for line in read_lines(folder / QUERIES)[:1])


def _add_items(draft: Draft, database: Sequence[Row], files: Mapping[str, str]) -> None:
    """Add an item a line; an image that several lines name has as many, as it is published."""
    for row, name in zip(database, _numbered(database), strict=True):
        if file := files.get(row.name):
            draft.add_item(Item(name, SPLIT, row.instance, file, attributes={TEXT: row.text}))


def _add_task(
    draft: Draft, queries: Sequence[Row], database: Sequence[Row], files: Mapping[str, str]
) -> Counter[str]:
    """Add the queries whose image and an answer to it are there; return what is missing."""
    listed = {(row.instance, row.text) for row in database}
    held = {(row.instance, row.text) for row in database if row.name in files}
    full = {instance for instance, _ in held}
    rows, lost = list[TaskRow](), Counter[str]()
    for row, name in zip(queries, _numbered(queries), strict=True):
        wanted = row.instance, row.text
        if row.name not in files:
            lost["queries_without_image"] += 1
        elif (wanted in listed and wanted not in held) or row.instance not in full:
            lost["queries_without_answer"] += 1
        else:
            query = Query(name, row.text, files[row.name])
            about = SPLIT, row.instance
            rows.append(TaskRow(query, *about, class_id=row.instance, value=row.text))
    if not rows:
        raise InputError("no query of the lists has its image and an answer; fetch more of them")
    missing = lost.total() + sum(row.name not in files for row in database)
    draft.add_task(replace(_TASK, missing=missing), rows)
    return lost


def _numbered(rows: Sequence[Row]) -> list[str]:
    """Return an id a line: the image's name, from its second line on with a number."""
    seen, ids = Counter[str](), []
    for row in rows:
        seen[row.name] += 1
        ids.append(row.name if seen[row.name] == 1 else f"{row.name}#{seen[row.name]}")
    return ids
