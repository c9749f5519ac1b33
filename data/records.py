"""Items, classes and queries of a collection, and the JSON rows that they are stored as."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from zscr.errors import CollectionError, InputError
from zscr.regular import open_regular
from zscr.strict_json import parse_json

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

Row = TypeVar("Row")

FAULTS = (  # of rows that are something else
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    IndexError,
    RecursionError,
    InputError,
)
FIELDS = ("text", "image", "sketch", "vector", "terms")  # what a query may be made of


@dataclass(frozen=True)
class Item:
    """One gallery item. Paths are relative to the collection's folder, texts are its captions.

    Attributes:
        split: `seen`, `val` or `unseen`.
        class_id: None in a collection without classes.
        attributes: such as its domain or colour: what tasks and filters tell items apart by.
    """

    id: str
    split: str
    class_id: str | None = None
    image: str | None = None
    sketch: str | None = None
    texts: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassInfo:
    """One class. `text_rows` are its rows [start, stop) of `vectors/text.npy`, if there is one."""

    id: str
    name: str
    descriptions: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    text_rows: tuple[int, int] | None = None


@dataclass(frozen=True)
class Query:
    """What is asked for, from a query file, a task, the shell or Python to the answer.

    Attributes:
        id: names it in answers; a caption's is its line in the file.
        text: a caption, or what is to be different about `image`.
        image, sketch: a file, or an image that is open already.
        vector: (D,) a feature that somebody else computed, for a graph that takes such.
        terms: queries whose embeddings are added up, each by its weight; no other field is filled
            then.
        instead_of: what `text` replaces on `image`, in words: asked for beside both of them, it is
            subtracted (text arithmetic). It is no field.
        compose: the name of the composition that answers the query, where it fills several fields;
            None leaves it to the bundle.

    Raises:
        InputError: no field is filled.
    """

    id: str = ""
    text: str | None = None
    image: str | Path | Image.Image | None = None
    sketch: str | Path | Image.Image | None = None
    vector: npt.NDArray[np.float32] | None = field(default=None, compare=False)
    terms: tuple[Term, ...] | None = None
    instead_of: str | None = None
    compose: str | None = None

    def __post_init__(self) -> None:
        if not self.fields:
            raise InputError(f"query '{self.id}' is empty; give it one of {', '.join(FIELDS)}")

    @classmethod
    def of(cls, field: str, values: Iterable[Any]) -> list[Query]:
        """Return queries with one field, numbered from 1: `Query.of("text", captions)`."""
        return [cls(str(number), **{field: value}) for number, value in enumerate(values, 1)]

    @cached_property
    def fields(self) -> frozenset[str]:
        """The names of the fields that it fills: what a bundle routes it by."""
        return frozenset(name for name in FIELDS if getattr(self, name) is not None)

    @property
    def parts(self) -> tuple[Query, ...]:
        """The queries of its terms; itself, where it is no sum."""
        return tuple(term.query for term in self.terms) if self.terms else (self,)

    def each(self, change: Callable[[Query], Query]) -> Query:
        """Return it with every one of its parts changed."""
        if not self.terms:
            return change(self)
        return replace(self, terms=tuple(replace(t, query=change(t.query)) for t in self.terms))


@dataclass(frozen=True)
class Term:
    """A part of a query that is a sum.

    Attributes:
        query: without terms of its own.
        weight: how much it counts; a negative one leads away from what it asks for.
    """

    query: Query
    weight: float = 1.0


@dataclass(frozen=True)
class Refused:
    """A query that cannot be answered, with the reason in one sentence; it keeps its place."""

    query: Query
    error: str


def filled(row: Mapping[str, Any]) -> dict[str, Any]:
    """Drop the fields that say nothing."""
    return {key: value for key, value in row.items() if value not in (None, (), [], {})}


def item_row(item: Item) -> dict[str, Any]:
    """Return an item as its line of `items.jsonl`."""
    row: dict[str, Any] = {"id": item.id, "split": item.split, "class": item.class_id}
    row |= {"image": item.image, "sketch": item.sketch}
    row |= {"attributes": dict(item.attributes), "text": item.texts}
    return filled(row)


def item_from(row: Mapping[str, Any]) -> Item:
    """Read an item from its line; one of `FAULTS` if it is none."""
    _check_strings({"id": row["id"], "split": row["split"]})
    named = {key: row[key] for key in ("class", "image", "sketch") if row.get(key) is not None}
    _check_strings(named)
    files = named.get("class"), named.get("image"), named.get("sketch")
    texts, attributes = _strings_of(row, "text"), _attributes_of(row)
    return Item(row["id"], row["split"], *files, texts, attributes)


def class_row(info: ClassInfo) -> dict[str, Any]:
    """Return a class as its entry of `classes.json`."""
    row = {"id": info.id, "name": info.name, "descriptions": info.descriptions}
    return filled(row | {"attributes": dict(info.attributes), "text_rows": info.text_rows})


def class_from(row: Mapping[str, Any]) -> ClassInfo:
    """Read a class from its entry; one of `FAULTS` if it is none."""
    _check_strings({"id": row["id"], "name": row["name"]})
    descriptions, rows = _strings_of(row, "descriptions"), row.get("text_rows")
    if rows is None:
        return ClassInfo(row["id"], row["name"], descriptions, _attributes_of(row))
    start, stop = rows
    if not (type(start) is type(stop) is int and 0 <= start <= stop):
        raise ValueError(f"text_rows {rows} are not [start, stop)")
    return ClassInfo(row["id"], row["name"], descriptions, _attributes_of(row), (start, stop))


def _strings_of(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    values = row.get(key, [])
    if not isinstance(values, list):
        raise TypeError(f"{key} is no list")
    _check_strings({f"{key} {number}": value for number, value in enumerate(values, 1)})
    return tuple(values)


def _attributes_of(row: Mapping[str, Any]) -> Mapping[str, str]:
    attributes: Mapping[str, str] = row.get("attributes", {})
    _check_strings(attributes)
    return attributes


def _check_strings(values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if not isinstance(value, str):
            raise TypeError(f"{key} is no string")


def read_table(path: Path, parse: Callable[[Any], Row], what: str) -> list[Row]:
    """Read a file of JSON Lines, each line by `parse`, which raises one of `FAULTS`.

    Raises:
        CollectionError: a line is no `what`; names the file and the line's number.
    """
    rows = []
    with open_regular(path) as lines:
        for number, line in enumerate(lines, 1):
            try:
                rows.append(parse(parse_json(line)))
            except FAULTS as error:
                raise CollectionError(
                    f"{path}, line {number} is no {what} ({error!r}); correct it"
                ) from error
    return rows
