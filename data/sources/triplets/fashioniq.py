"""Makes a collection of FashionIQ's validation queries (Wu et al., CVPR 2021), by both protocols.

`original` searches a category's whole published split, `val` the images that its queries name
("VAL split"): about 3,817 against 1,800 dresses. Their figures are never to be compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zscr.data.collection import new_collection
from zscr.data.relevance import Truth
from zscr.data.sources.archive import opened
from zscr.data.sources.origin import described
from zscr.data.sources.triplets.annotations import (
    bare_name,
    find_layout,
    read_annotations,
    spoken,
)
from zscr.data.sources.triplets.images import SUFFIXES, add_items, located, put
from zscr.data.sources.triplets.triplet import Triplet, add_task
from zscr.data.task_files import TaskInfo
from zscr.errors import ConfigError, InputError
from zscr.schema import listing, record, words

CATEGORIES = ("dress", "shirt", "toptee")
PROTOCOLS = {
    "original": "the category's whole split (original split protocol)",
    "val": "the images that the category's queries name (VAL split protocol)",
}
FIGURES = ("R@10", "R@50")
MEANS = tuple(f"{figure} macro" for figure in FIGURES)  # over the categories
_TRIPLETS = listing(
    record({"candidate": words, "target": words, "captions": listing(words, 1, 2)}), 1
)
_NAMES = listing(words, 1)


def pic2word_texts(captions: Sequence[str]) -> tuple[str, ...]:
    """Join a query's captions as Pic2Word does, the second one first."""
    return (" and ".join(reversed(captions)),)


def searle_texts(captions: Sequence[str]) -> tuple[str, ...]:
    """Join a query's captions as SEARLE does: stripped, in both orders, whose mean is asked."""
    bare = [caption.strip(".?, ") for caption in captions]
    return " and ".join(bare), " and ".join(reversed(bare))


ORDERS = {"pic2word": pic2word_texts, "searle": searle_texts}

Joined = Callable[[Sequence[str]], tuple[str, ...]]
Galleries = dict[str, dict[str, tuple[str, ...]]]  # protocol -> category -> images


def convert_fashioniq(
    source: Path, out: Path, *, caption_order: str = "pic2word", skip_missing: bool = False
) -> None:
    """Convert FashionIQ's validation split into the collection `out`.

    Tasks: `original` and `val` are the two protocols over all categories, each query in its own
    category's gallery, their figures means over categories; `original-dress` and so on are of one
    category each. The reference image stays in the ranking, as published.

    Args:
        source: a folder or ZIP with `captions/` or `json/`, `image_splits/` and `images/`, or the
            folder above.
        out: the collection to make; must not exist.
        caption_order: how a query's two captions become its text: a key of `ORDERS`.
        skip_missing: leave out and count images that are missing, as damaged ones always are.

    Raises:
        ConfigError: there is no such order.
        InputError: the annotations cannot be read, or an image is missing.
    """
    if caption_order not in ORDERS:
        raise ConfigError(f"caption_order is {caption_order!r}; use {' or '.join(ORDERS)}")
    joined = ORDERS[caption_order]
    with opened(source) as folder:
        markers = [f"{kind}/cap.{c}.val.json" for kind in ("captions", "json") for c in CATEGORIES]
        root = find_layout(source, folder, markers)
        queries = {name: rows for name in CATEGORIES if (rows := _queries(root, name))}
        galleries = _galleries(root, queries)
        named = dict.fromkeys(n for held in galleries.values() for g in held.values() for n in g)
        names = {name: f"images/{name}" for name in named}
        places = located(source, folder, names, SUFFIXES, skip=skip_missing)
        with new_collection(
            out,
            name="fashioniq",
            protocol=f"FashionIQ val, captions joined as {caption_order}",
            provenance={**described(source), "caption_order": caption_order},
        ) as draft:
            add_items(draft, files := put(draft, places))
            for info in _tasks(galleries, caption_order):
                asked = (t for c in info.galleries for t in _triplets(c, queries[c], joined))
                add_task(draft, info, _in_gallery(info, asked), files)


def _queries(root: Path, category: str) -> list[dict[str, Any]]:
    """Read a category's queries; none where its file is not there."""
    for kind in ("captions", "json"):
        path = root / kind / f"cap.{category}.val.json"
        if path.is_file():
            rows: list[dict[str, Any]] = read_annotations(path, _TRIPLETS)
            return rows
    return []


def _galleries(root: Path, queries: Mapping[str, Sequence[Mapping[str, Any]]]) -> Galleries:
    """Return the images that each category is searched in, by protocol.

    Raises:
        InputError: a query names an image that is not in its category's split.
    """
    galleries: Galleries = {name: {} for name in PROTOCOLS}
    for category, rows in queries.items():
        listed = read_annotations(root / f"image_splits/split.{category}.val.json", _NAMES)
        whole = tuple(dict.fromkeys(map(bare_name, listed)))
        named = dict.fromkeys(bare_name(row[k]) for row in rows for k in ("candidate", "target"))
        if lost := named.keys() - {*whole}:
            raise InputError(
                f"{len(lost)} images of FashionIQ's {category} queries are not in its split of "
                f"{len(whole)}: {min(lost)}, …; fetch both files anew"
            )
        galleries["original"][category] = whole
        galleries["val"][category] = tuple(name for name in whole if name in named)
    return galleries


def _tasks(galleries: Galleries, order: str) -> Iterator[TaskInfo]:
    """Yield each protocol's task over all categories, and that of each category by itself."""
    for protocol, held in galleries.items():
        about = f"FashionIQ val, gallery: {PROTOCOLS[protocol]}; reference kept; captions {order}"
        whole = TaskInfo(protocol, protocol=about, galleries=held, figures=MEANS)
        if len(held) > 1:
            yield whole
        for category, items in held.items():
            name, alone = f"{protocol}-{category}", {category: items}
            yield replace(whole, name=name, galleries=alone, figures=FIGURES)


def _triplets(
    category: str, rows: Iterable[Mapping[str, Any]], joined: Joined
) -> Iterator[Triplet]:
    for number, row in enumerate(rows):
        candidate, target = bare_name(row["candidate"]), bare_name(row["target"])
        texts = joined([spoken(caption) for caption in row["captions"]])
        truth = Truth({target: 1.0})
        yield Triplet(f"{category}-{number}", candidate, texts, truth, category, category)


def _in_gallery(info: TaskInfo, rows: Iterable[Triplet]) -> Iterator[Triplet]:
    """Yield queries as a task needs them: by category, or within the only one by reference."""
    for row in rows:
        alone = len(info.galleries) == 1
        yield replace(row, group=row.reference, gallery=None) if alone else row
