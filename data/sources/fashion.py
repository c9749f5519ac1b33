"""Makes a zero-shot collection of product images: article types are classes, titles the texts."""

from __future__ import annotations

import csv
import io
import random
import shutil
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from zscr.data.collection import ClassInfo, Draft, Item, new_collection
from zscr.data.images import fault
from zscr.data.sources.archive import opened
from zscr.data.sources.origin import described, find_root
from zscr.data.splits import hold_out
from zscr.errors import InputError
from zscr.regular import open_regular

HELD_OUT = 20  # unseen types, and as many for validation
FEWEST, FEWEST_HELD_OUT, MOST = 10, 20, 60  # products of a type
TABLE = "products.csv"

Product = dict[str, str]  # a row of the table
Products = dict[str, list[Product]]  # by article type


def convert_fashion(source: Path, out: Path, *, seed: int = 7, held_out: int = HELD_OUT) -> None:
    """Convert a folder or ZIP of products into the collection `out`.

    An item is a product's image with its title; a class has no other text. Types with fewer
    than 10 products are left out, of a type with more than 60 a random 60 are kept.

    Args:
        source: `products.csv` (id, title, articleType, …) and `images/<id>.jpg`.
        out: the collection to make; must not exist.
        seed: of the choice of classes and of products.
        held_out: number of unseen types, and of validation types, of at least 20 products each.

    Raises:
        InputError: the table or an image is missing, or the table lacks a column or a value.
        ConfigError: there are too few types to hold out.
    """
    with opened(source) as folder:
        root = find_root(source, folder, TABLE)
        products = read_products(root / TABLE)
        kept = {n: pick(rows, MOST, seed) for n, rows in products.items() if len(rows) >= FEWEST}
        split_of = split_types({name: len(products[name]) for name in kept}, seed, held_out)
        provenance = {**described(source), "seed": seed, **_left_out(products, kept)}
        with new_collection(
            out, name="fashion44k", protocol=_protocol(seed, held_out), provenance=provenance
        ) as draft:
            for name, rows in kept.items():
                draft.add_class(ClassInfo(name, name), split_of[name])
                for row in rows:
                    if file := copy_product(draft, root, row):
                        texts = (row["title"],)
                        draft.add_item(Item(row["id"], split_of[name], name, file, texts=texts))


def _protocol(seed: int, held_out: int) -> str:
    return (
        f"products by title, {held_out} unseen article types; seed {seed} draws them, {held_out} "
        f"validation types and at most {MOST} products a type (types of fewer than {FEWEST} are "
        f"left out); relevant is the same article type; every unseen title asks"
    )


def read_products(path: Path) -> Products:
    """Return the table's rows by article type, types in alphabetical order."""
    products: Products = defaultdict(list)
    try:
        with open_regular(path) as raw, io.TextIOWrapper(raw, "utf-8", newline="") as file:
            _group(path, csv.DictReader(file), products)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no table in UTF-8 ({error}); save it as such") from error
    return {name: products[name] for name in sorted(products)}


def _group(path: Path, rows: Iterable[dict[str, str]], products: Products) -> None:
    """Add a table's rows to their types."""
    for number, row in enumerate(rows, 2):
        missing = [key for key in ("id", "title", "articleType") if not row.get(key)]
        if missing:
            raise InputError(f"{path}, row {number} has no {missing[0]}; complete it")
        if not row["id"].isalnum():
            raise InputError(f"{path}, row {number}: the id {row['id']!a} names no image")
        products[row["articleType"]].append(row)


def pick(rows: list[Product], most: int, seed: int) -> list[Product]:
    """Return at most `most` rows of a type, in the table's order."""
    numbers = random.Random(seed).sample(range(len(rows)), min(most, len(rows)))
    return [rows[number] for number in sorted(numbers)]


def split_types(sizes: dict[str, int], seed: int, held_out: int) -> dict[str, str]:
    """Return the split of each type, by its number of products; large ones alone are held out."""
    large = [name for name, size in sizes.items() if size >= FEWEST_HELD_OUT]
    unseen = hold_out(large, held_out, seed=seed)
    val = hold_out([name for name in large if name not in unseen], held_out, seed=seed)
    split_of = dict.fromkeys(sizes, "seen") | dict.fromkeys(unseen, "unseen")
    return split_of | dict.fromkeys(val, "val")


def _left_out(products: Products, kept: Products) -> dict[str, Any]:
    small = [name for name in products if name not in kept]
    return {
        "types_left_out": small,
        "products_of_types_left_out": sum(len(products[name]) for name in small),
        "products_over_the_limit": sum(len(products[name]) - len(kept[name]) for name in kept),
    }


def copy_product(draft: Draft, root: Path, row: Product) -> str | None:
    """Copy a product's image; return its name in the collection, None where it was skipped.

    Raises:
        InputError: it is not there.
    """
    file = f"images/{row['id']}.jpg"
    if not (root / file).is_file():
        raise InputError(f"{TABLE} names {root / file}, which is not there; fetch it")
    if reason := fault(root / file):
        draft.skip(file, reason)
        return None
    (draft.folder / "images").mkdir(exist_ok=True)
    shutil.copyfile(root / file, draft.folder / file)
    return file
