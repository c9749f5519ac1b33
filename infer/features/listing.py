"""Which rows a table of a collection's split has, before any of them is computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zscr.data.collection import Collection
from zscr.data.records import Item
from zscr.errors import CollectionError, ConfigError
from zscr.infer.encoder import Encoder
from zscr.infer.features.store import Source
from zscr.infer.features.table_names import encoder_name, field_of, is_table, known_tables
from zscr.progress import say

DOMAIN = "domain"  # the attribute of items that tells photos from sketches
Encoders = Mapping[str, Encoder | None]  # None where the collection has published vectors


def encoder_of(table: str, encoders: Encoders) -> Encoder | None:
    """Return the encoder of a table's rows; None where they are published vectors."""
    return encoders.get(encoder_name(table, own=table in encoders))


def is_encoded(table: str, encoders: Encoders) -> bool:
    """Say whether the encoders, or vectors in their place, cover a table."""
    return encoder_name(table, own=table in encoders) in encoders


@dataclass(frozen=True)
class Row:
    """One row of a table before it is computed: its group, its id, and what it is made of."""

    group: int
    id: str
    source: Source | None = None
    place: int = -1  # in the published vectors, where there is no source


Texts = Mapping[str, Sequence[str]]  # class -> its texts
Listed = tuple[tuple[str, ...], dict[str, list[Row]]]


def _by_class(
    collection: Collection,
    split: str,
    names: Sequence[str],
    encoders: Encoders,
    texts: Mapping[str, Texts],
) -> Listed:
    """List rows class after class in the split's order; a class's texts are all that it has."""
    classes = collection.splits[split]
    listed = {}
    for name in names:
        if name in texts:
            listed[name] = _texts_of(classes, texts[name])
            continue
        if field_of(name) == "text":
            published = not encoder_of(name, encoders)
            listed[name] = _class_texts(collection, classes, published=published)
            continue
        number = {class_id: group for group, class_id in enumerate(classes)}
        by_group: dict[int, list[Row]] = defaultdict(list)
        for place, item in _usable(collection, split, name, encoders):
            if item.class_id is not None:
                group = number[item.class_id]
                by_group[group].append(_item_row(collection, group, place, item, name))
        listed[name] = [row for group in range(len(classes)) for row in by_group[group]]
    return classes, listed


def _by_item(
    collection: Collection, split: str, names: Sequence[str], encoders: Encoders
) -> Listed:
    """List the items that have all tables, each a group of its own."""
    groups: list[str] = []
    listed = {name: list[Row]() for name in names}
    items = {name: dict(_usable(collection, split, name, encoders)) for name in names}
    for place, item in enumerate(collection.items):
        if not all(place in items[name] for name in names):
            continue
        for name in names:
            if field_of(name) == "text":
                listed[name] += _item_texts(len(groups), item)
            else:
                listed[name].append(_item_row(collection, len(groups), place, item, name))
        groups.append(item.id)
    lacking = len(collection.split(split)) - len(groups)
    if lacking:
        say(f"{lacking} items of split '{split}' lack one of {', '.join(names)} and are left out")
    return tuple(groups), listed


def _as_one(collection: Collection, split: str, names: Sequence[str], encoders: Encoders) -> Listed:
    """List everything of each table as one group."""
    return _by_value(collection, split, names, encoders, None)


def _by_domain(
    collection: Collection, split: str, names: Sequence[str], encoders: Encoders
) -> Listed:
    """List the items of each domain as a group, in the order in which domains first come."""
    return _by_value(collection, split, names, encoders, DOMAIN)


def _by_value(
    collection: Collection, split: str, names: Sequence[str], encoders: Encoders, key: str | None
) -> Listed:
    """List the items of each value of an attribute as a group; all as one without an attribute."""
    items = {name: [*_usable(collection, split, name, encoders)] for name in names}
    number: dict[str, int] = {}
    listed = {name: list[Row]() for name in names}
    for name in names:
        by_group: dict[int, list[Row]] = defaultdict(list)
        for place, item in items[name]:
            value = "all" if key is None else _value(collection, item, key)
            group = number.setdefault(value, len(number))
            by_group[group] += _rows_of(collection, group, place, item, name)
        listed[name] = [row for group in sorted(by_group) for row in by_group[group]]
    return tuple(number) or ("all",), listed


def _value(collection: Collection, item: Item, key: str) -> str:
    if key not in item.attributes:
        raise CollectionError(
            f"item '{item.id}' of {collection.folder} has no {key}, by which items are grouped; "
            f"add it to all items, or train without it"
        )
    return item.attributes[key]


def _rows_of(
    collection: Collection, group: int, place: int, item: Item, name: str
) -> Sequence[Row]:
    if field_of(name) == "text":
        return _item_texts(group, item)
    return [_item_row(collection, group, place, item, name)]


_LISTS = {"item": _by_item, "image": _as_one, "domain": _by_domain}


def list_rows(
    collection: Collection,
    split: str,
    names: Sequence[str],
    encoders: Encoders,
    per: str,
    texts: Mapping[str, Texts] | None = None,
) -> Listed:
    """Return the groups of a split, and of each table its rows, group after group.

    Args:
        collection: the collection; split: one of its splits.
        names: of the tables.
        encoders: by name; a missing one means the collection's published vectors.
        per: `class`, `item`, `domain` (items of one value of that attribute) or `image` (all as
            one group).
        texts: of tables that have other texts of classes than the collection's own, by table.

    Raises:
        ConfigError: there is no such table, or other texts are asked for by something else than
            classes.
        CollectionError: texts are needed per item, and the collection has vectors of classes.
    """
    unknown = [name for name in names if not is_table(name)]
    if unknown:
        known = ", ".join(known_tables())
        raise ConfigError(f"there is no table '{unknown[0]}'; a method may need {known}")
    if per != "class" and "text" in names and not encoders.get("text"):
        raise CollectionError(
            f"the published text vectors of {collection.folder} belong to classes, but texts are "
            f"needed per {per}; use a collection with captions"
        )
    if per == "class":
        return _by_class(collection, split, names, encoders, texts or {})
    if texts:
        raise ConfigError(f"the texts of table '{[*texts][0]}' are of classes; need it per class")
    return _LISTS[per](collection, split, names, encoders)


def _usable(
    collection: Collection, split: str, name: str, encoders: Encoders
) -> Iterable[tuple[int, Item]]:
    """Yield the items of a split that have a row in a table, with their places."""
    published = name == "image" and not encoder_of(name, encoders)
    field = "texts" if field_of(name) == "text" else field_of(name)
    for place, item in enumerate(collection.items):
        if item.split == split and (published or getattr(item, field)):
            yield place, item


def _item_row(collection: Collection, group: int, place: int, item: Item, name: str) -> Row:
    file = getattr(item, field_of(name))
    if not file:
        return Row(group, item.id, place=place)
    key = str(collection.manifest.files[file]["sha256"])
    return Row(group, item.id, Source.image(collection.folder / file, key), place)


def _item_texts(group: int, item: Item) -> list[Row]:
    return [Row(group, f"{item.id}#{n}", Source.text(t)) for n, t in enumerate(item.texts)]


def _texts_of(classes: tuple[str, ...], texts: Texts) -> list[Row]:
    """List texts that are not the collection's own, class after class."""
    return [
        Row(group, f"{name}#{number}", Source.text(text))
        for group, name in enumerate(classes)
        for number, text in enumerate(texts.get(name, ()))
    ]


def _class_texts(collection: Collection, classes: tuple[str, ...], *, published: bool) -> list[Row]:
    if not published:
        return _texts_of(classes, collection.texts(classes))
    spans = [collection.classes[name].text_rows or (0, 0) for name in classes]
    count = len(collection.vectors("text"))
    if lost := [name for name, (_, stop) in zip(classes, spans, strict=True) if stop > count]:
        raise CollectionError(
            f"{len(lost)} classes of {collection.folder} have text_rows beyond the {count} of "
            f"vectors/text.npy, first {lost[0]}; correct them"
        )
    return [
        Row(group, f"{classes[group]}#{row - start}", place=row)
        for group, (start, stop) in enumerate(spans)
        for row in range(start, stop)
    ]
