"""Items, classes and queries of a collection, and the JSON rows that they are stored as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Item:
    """One gallery item. Paths are relative to the collection's folder, texts are its captions."""

    id: str
    class_id: str
    split: str
    image: str | None = None
    sketch: str | None = None
    texts: tuple[str, ...] = ()
    domain: str | None = None


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
    """A query that is not simply an item's own text: its inputs and what is relevant to it."""

    id: str
    relevant: Mapping[str, float]
    text: str | None = None
    image: str | None = None
    sketch: str | None = None
    exclude: tuple[str, ...] = ()
    kind: str | None = None


def _filled(row: dict[str, Any]) -> dict[str, Any]:
    """Drop the fields that say nothing."""
    return {key: value for key, value in row.items() if value not in (None, (), [], {})}


def item_row(item: Item) -> dict[str, Any]:
    """Return an item as its line of `items.jsonl`."""
    row = {"id": item.id, "class": item.class_id, "split": item.split, "image": item.image}
    return _filled(row | {"sketch": item.sketch, "domain": item.domain, "text": item.texts})


def item_from(row: Mapping[str, Any]) -> Item:
    """Read an item from its line."""
    optional = {key: row.get(key) for key in ("image", "sketch", "domain")}
    return Item(row["id"], row["class"], row["split"], texts=tuple(row.get("text", ())), **optional)


def class_row(info: ClassInfo) -> dict[str, Any]:
    """Return a class as its entry of `classes.json`."""
    row = {"id": info.id, "name": info.name, "descriptions": info.descriptions}
    return _filled(row | {"attributes": dict(info.attributes), "text_rows": info.text_rows})


def class_from(row: Mapping[str, Any]) -> ClassInfo:
    """Read a class from its entry."""
    rows = row.get("text_rows")
    return ClassInfo(
        row["id"],
        row["name"],
        tuple(row.get("descriptions", ())),
        row.get("attributes", {}),
        (rows[0], rows[1]) if rows else None,
    )


def query_row(query: Query) -> dict[str, Any]:
    """Return a query as its line of `queries.jsonl`."""
    row: dict[str, Any] = {"id": query.id, "kind": query.kind}
    row |= {"text": query.text, "image": query.image}
    row |= {"sketch": query.sketch, "relevant": dict(query.relevant), "exclude": query.exclude}
    return _filled(row)


def query_from(row: Mapping[str, Any]) -> Query:
    """Read a query from its line."""
    optional = {key: row.get(key) for key in ("text", "image", "sketch", "kind")}
    relevant = row.get("relevant", {})
    return Query(row["id"], relevant, exclude=tuple(row.get("exclude", ())), **optional)
