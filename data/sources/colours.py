"""Queries "this product, but in another colour": a product's image and the name of a colour."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from zscr.data.records import Item, Query
from zscr.data.relevance import Truth
from zscr.data.splits import by_hash
from zscr.data.task_files import TaskRow

TYPE, COLOUR = "articleType", "baseColour"  # attributes of items
COLOURS = ("Black", "White", "Blue", "Brown", "Grey", "Red", "Green", "Pink")
QUERIES = {"unseen": 345, "val": 300}
_WORN_BY = {  # words of titles -> for whom a product is, which no colour changes
    **dict.fromkeys(("men", "mens", "man"), "men"),
    **dict.fromkeys(("women", "womens", "woman"), "women"),
    **dict.fromkeys(("boys", "boy"), "boys"),
    **dict.fromkeys(("girls", "girl"), "girls"),
    "unisex": "unisex",
    "kids": "kids",
}

_Kind = tuple[str, str]  # article type, for whom
_Products = Mapping[_Kind, Mapping[str, Sequence[str]]]  # -> colour -> item ids


def colour_rows(
    items: Sequence[Item], split: str, seed: int, count: int | None = None
) -> Iterator[tuple[Item, TaskRow]]:
    """Yield queries of one split with the items that they show, at most `count`.

    A query is a product of one of `COLOURS` whose title says for whom it is, and another of them;
    its text is the bare colour, and what that replaces is said beside it. Relevant are all products
    of the same type, for the same people, in the new colour, of which there is one at least. The
    product itself is left out of the ranking. Each query is a group of its own: intervals resample
    queries.

    Args:
        items: of any splits; only those with an image, a type, a colour and one title ask.
        split: whose items ask and are asked for.
        seed: of the order in which products are taken, and of their new colours.
        count: queries; by default those of `QUERIES`.
    """
    held = {item.id: item for item in items if item.split == split and item.image}
    products, left = _products(held.values()), QUERIES[split] if count is None else count
    for name in by_hash(held, seed):
        kind, colour = _kind(held[name]), held[name].attributes.get(COLOUR)
        others = [c for c in COLOURS if c != colour and c in products.get(kind, {})]
        if left and colour in COLOURS and kind[1] and others:
            new = by_hash(others, f"{seed} {name}")[0]
            yield held[name], _row(held[name], new, products[kind][new])
            left -= 1


def _row(item: Item, new: str, relevant: Iterable[str]) -> TaskRow:
    old, text = item.attributes[COLOUR].lower(), new.lower()
    query = Query(f"{item.id}-{text}", text, item.image, instead_of=old)
    truth = Truth(dict.fromkeys(relevant, 1.0), exclude=(item.id,))
    return TaskRow(query, item.split, query.id, truth)


def _products(items: Iterable[Item]) -> _Products:
    found = defaultdict[_Kind, dict[str, list[str]]](dict)
    for item in items:
        if colour := item.attributes.get(COLOUR):
            found[_kind(item)].setdefault(colour, []).append(item.id)
    return found


def _kind(item: Item) -> _Kind:
    return item.attributes.get(TYPE, ""), _worn_by(item.texts[0] if item.texts else "")


def _worn_by(title: str) -> str:
    """Return for whom a product is, by the first such word of its title; empty if none says."""
    words = re.findall(r"[a-z]+", title.lower())
    return next((_WORN_BY[word] for word in words if word in _WORN_BY), "")
