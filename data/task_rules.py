"""What the queries of every stored task fulfil, when they are written and when they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zscr.data.records import Item, Query
from zscr.data.relevance import Truth
from zscr.data.rules import SPLITS, is_own, refuse, repeated
from zscr.data.task_files import TaskInfo, TaskRow
from zscr.errors import CollectionError

_LIMITS = np.finfo(np.float32)  # what grades are stored in when figures are computed

Rule = tuple[Callable[[TaskRow], bool], str]  # what is wrong with a query, and how it is said


@dataclass(frozen=True)
class Known:
    """What a task may refer to: its collection's items, the classes of each split, and files."""

    items: Sequence[Item]
    splits: Mapping[str, Sequence[str]]
    files: Container[str]

    @cached_property
    def by_id(self) -> dict[str, Item]:
        """The items by their id."""
        return {item.id: item for item in self.items}

    def holds(self, item: Item, field: str) -> bool:
        """Say whether an item has what is retrieved: a file, or a published vector of its image."""
        return bool(getattr(item, field)) or (
            field == "image" and "vectors/image.npy" in self.files
        )


def _files(row: TaskRow) -> list[str]:
    return [str(name) for p in row.query.parts for name in (p.image, p.sketch) if name is not None]


def check_rows(info: TaskInfo, rows: Sequence[TaskRow], known: Known) -> None:
    """Prove that a task's queries can be asked, and that each has something left to be found.

    Raises:
        CollectionError: names the first offenders and their number.
    """
    task = f"task '{info.name}'"
    if not rows:
        raise CollectionError(f"{task} has no queries; add some, or leave the task out")
    refuse(repeated(row.query.id for row in rows), f"query ids of {task} occur twice; rename them")
    decided = _by_item(known, info) if info.by == "item" else _by_class(known, info)
    asked = [*_asked(known, _filled(rows[0].query)), *_searched(info)]
    for wrong, why in [*asked, *decided]:
        refuse([row.query.id for row in rows if wrong(row)], f"queries of {task} {why}")


def _filled(query: Query) -> list[frozenset[str]]:
    """Return the fields that each part of a query fills."""
    return [part.fields for part in query.parts]


def _asked(known: Known, filled: list[frozenset[str]]) -> list[Rule]:
    """Return the rules of what queries are made of; `filled` is what the first one fills."""
    return [
        (
            lambda row: row.split not in SPLITS,
            f"are of no split; give each one of {', '.join(SPLITS)}",
        ),
        (
            lambda row: _filled(row.query) != filled or "vector" in filled[0],
            f"do not fill {' and '.join(sorted(filled[0]))} as the first one does, or fill a "
            f"vector, which is not stored; make them alike",
        ),
        (
            lambda row: any(p.instead_of is not None and p.text is None for p in row.query.parts),
            "say what a text replaces (instead_of) and have no text; give it, or leave that out",
        ),
        (
            lambda row: not all(is_own(name, known.files) for name in _files(row)),
            "name an image that the collection does not hold; put it into its folder",
        ),
    ]


def _by_item(known: Known, info: TaskInfo) -> list[Rule]:
    """Return the rules of a task whose queries list items; all but the first need the list."""
    return [
        (
            lambda row: row.truth is None or bool(row.class_id or row.value or row.exclude),
            "do not list relevant items alone, as relevance by item needs; give these",
        ),
        (
            lambda row: not _named(row) <= known.by_id.keys(),
            "name items that do not exist; correct or remove them",
        ),
        (
            lambda row: any(known.by_id[name].split != row.split for name in _named(row)),
            "name items of another split than their own; keep each query to one split",
        ),
        (
            lambda row: not _graded(row),
            "have relevant items with a grade that is not above 0 and finite; correct it",
        ),
        (
            lambda row: not _held(row, known, info.field),
            f"have relevant items without {info.field}, which is retrieved; remove them",
        ),
        (
            lambda row: _answer_fault(row, info),
            "list relevant items, which a server alone knows; remove these"
            if info.server
            else "have nothing relevant left after their exclusions; remove them",
        ),
    ]


def _searched(info: TaskInfo) -> list[Rule]:
    """Return the rule of which gallery queries search."""
    if len(info.galleries) > 1:
        why = f"search none of the galleries {', '.join(info.galleries)}; name one"
        return [(lambda row: row.gallery not in info.galleries, why)]
    return [(lambda row: row.gallery is not None, "name a gallery, but search the only one")]


def _answer_fault(row: TaskRow, info: TaskInfo) -> bool:
    """Say whether a query has answers that it may not have, or none though it must."""
    if info.server:
        return bool(_truth(row).relevant)
    return not (info.zeros or _left(row, info))


def _truth(row: TaskRow) -> Truth:
    assert row.truth is not None  # the first rule by item refuses such
    return row.truth


def _named(row: TaskRow) -> set[str]:
    """Return all items that a query names."""
    return {*_truth(row).relevant, *_truth(row).exclude, *_truth(row).subset}


def _graded(row: TaskRow) -> bool:
    """Say whether every grade is one that figures can be computed from."""
    return all(_LIMITS.tiny <= grade <= _LIMITS.max for grade in _truth(row).relevant.values())


def _held(row: TaskRow, known: Known, field: str) -> bool:
    """Say whether every relevant item can be retrieved."""
    return all(known.holds(known.by_id[name], field) for name in _truth(row).relevant)


def _left(row: TaskRow, info: TaskInfo) -> set[str]:
    """Return the relevant items that are ranked."""
    found = set(_truth(row).relevant) - set(_truth(row).exclude)
    if info.galleries:
        only = row.gallery or next(iter(info.galleries))
        found = {name for name in found if name in info.held.get(only, ())}
    return found & set(_truth(row).subset) if _truth(row).subset else found


def _by_class(known: Known, info: TaskInfo) -> list[Rule]:
    """Return the rules of a task whose queries ask for a class, or for a class and an attribute."""
    by_id = known.by_id

    def kind(item: Item) -> tuple[str, str | None, str | None]:
        value = item.attributes.get(info.attribute) if info.attribute else None
        return item.split, item.class_id, value

    found = Counter(kind(item) for item in known.items if known.holds(item, info.field))
    filled = {(split, class_id) for split, class_id, _ in found}

    def left(row: TaskRow) -> int:
        """Count what is relevant to a query and not excluded."""
        asked = row.split, row.class_id, row.value
        excluded = (by_id[name] for name in {*row.exclude} if name in by_id)
        held = (item for item in excluded if known.holds(item, info.field))
        return found[asked] - sum(kind(item) == asked for item in held)

    return [
        (
            lambda row: row.truth is not None or (row.value is None) != (info.attribute is None),
            f"do not name a class{' and a value' if info.attribute else ''} alone, as the task's "
            f"relevance needs; give what it needs",
        ),
        (
            lambda row: row.class_id not in known.splits[row.split],
            "ask for a class that is unknown or of another split; correct or remove them",
        ),
        (
            lambda row: any(
                name not in by_id or by_id[name].split != row.split for name in row.exclude
            ),
            "leave out items that do not exist or are of another split; correct or remove them",
        ),
        (
            lambda row: bool(info.within) and (row.split, row.class_id) not in filled,
            "search the images of their class, of which there are none; remove them",
        ),
        (
            lambda row: not (info.zeros or left(row)),
            f"ask for what no item with {info.field} is; correct or remove them",
        ),
    ]
