"""Makes a collection without classes of products, each asked for by its title."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from zscr.data.collection import Draft, Item, new_collection
from zscr.data.sources.archive import opened
from zscr.data.sources.colours import COLOUR, TYPE
from zscr.data.sources.fashion import (
    HELD_OUT,
    TABLE,
    Product,
    Products,
    copy_product,
    pick,
    read_products,
    split_types,
)
from zscr.data.sources.origin import described, find_root
from zscr.data.sources.product_tasks import add_tasks
from zscr.data.splits import by_hash
from zscr.errors import InputError

MOST = 250  # products of a held-out type
GALLERIES = {"unseen": 10_000, "val": 5_000}
ATTRIBUTES = (TYPE, COLOUR)

Rows = dict[str, list[Product]]  # by split


def convert_titles(
    source: Path,
    out: Path,
    *,
    seed: int = 7,
    held_out: int = HELD_OUT,
    most: int = MOST,
    galleries: Mapping[str, int] = GALLERIES,
) -> None:
    """Convert a folder or ZIP of products into the collection `out`, which has no classes.

    The splits `unseen` and `val` hold the products of types that are not trained on, the same
    types as of the collection `fashion44k`, and others of types that are, up to a gallery's size.
    All products of one title lie in one split, so no title of a test is read in training; they are
    relevant to it together. The tasks are those of `add_tasks`.

    Args:
        source: `products.csv` (id, title, articleType, …) and `images/<id>.jpg`.
        out: the collection to make; must not exist.
        seed: of the choice of types and of products.
        held_out: number of types that no training sees, and as many for validation.
        most: products of such a type.
        galleries: products of the splits `unseen` and `val`.

    Raises:
        InputError: the table or an image is missing, or the table lacks a column or a value.
        ConfigError: there are too few types to hold out.
    """
    with opened(source) as folder:
        root = find_root(source, folder, TABLE)
        products = read_products(root / TABLE)
        split_of = split_types({name: len(rows) for name, rows in products.items()}, seed, held_out)
        rows = _split(products, split_of, galleries, most, seed)
        left_out = sum(map(len, products.values())) - sum(map(len, rows.values()))
        with new_collection(
            out,
            name="fashion44k-titles",
            protocol=_protocol(rows, held_out, seed),
            provenance={**described(source), "seed": seed, "products_left_out": left_out},
        ) as draft:
            for split, kept in rows.items():
                _add(draft, root, split, kept)
            add_tasks(draft, {name for name, split in split_of.items() if split == "seen"}, seed)


def _protocol(rows: Rows, held_out: int, seed: int) -> str:
    return (
        f"titles ask for their product among {len(rows['unseen']):,}, products of one title are "
        f"relevant together; {len(rows['seen']):,} to train on, none of the {held_out} unseen "
        f"article types or of a title of the test, {len(rows['val']):,} for validation, of "
        f"{held_out} other types and of seen ones; seed {seed}"
    )


def _split(
    products: Products, split_of: Mapping[str, str], sizes: Mapping[str, int], most: int, seed: int
) -> Rows:
    """Return each split's products: first those of its own types, then others, title by title."""
    rows, taken = {split: list[Product]() for split in ("seen", *sizes)}, set[str]()
    for split in sizes:
        for name in (name for name in products if split_of[name] == split):
            kept = pick(products[name], most, seed)
            rows[split] += [row for row in kept if row["title"] not in taken]
        taken |= {row["title"] for row in rows[split]}
    free = defaultdict[str, list[Product]](list)  # title -> products of types that are trained on
    for row in (row for name in products if split_of[name] == "seen" for row in products[name]):
        if row["title"] not in taken:
            free[row["title"]].append(row)
    for split, size in sizes.items():
        rows[split] += _drawn(free, size - len(rows[split]), seed)
        if len(rows[split]) < size or not free:
            raise InputError(
                f"{TABLE} leaves {len(rows[split]):,} products to a gallery of {size:,}, or none "
                f"to train on; it needs more of them"
            )
    rows["seen"] = [row for same in free.values() for row in same]
    return rows


def _drawn(free: dict[str, list[Product]], room: int, seed: int) -> list[Product]:
    """Take whole titles, in the order of a hash, until a gallery is full."""
    drawn: list[Product] = []
    for title in by_hash(free, seed):
        if len(drawn) + len(free[title]) <= room:
            drawn += free.pop(title)
    return drawn


def _add(draft: Draft, root: Path, split: str, rows: Iterable[Product]) -> None:
    """Copy the products of a split and add their items."""
    for row in rows:
        if file := copy_product(draft, root, row):
            about = {name: row[name] for name in ATTRIBUTES if row.get(name)}
            item = Item(row["id"], split, None, file, None, (row["title"],), about)
            draft.add_item(item)
