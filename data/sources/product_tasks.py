"""The tasks of products without classes: asked for by title, and in another colour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterator, Sequence
from dataclasses import replace

from zscr.data.draft import Draft
from zscr.data.records import Item, Query
from zscr.data.relevance import Truth
from zscr.data.sources.colours import QUERIES, TYPE, colour_rows
from zscr.data.task_files import TaskInfo, TaskRow

KINDS = ("seen-types", "unseen-types")
_TITLE = TaskInfo("text", figures=("R@1", "R@5", "R@10"))
_COLOUR = TaskInfo(
    "colour",
    protocol="a product's image and the name of another colour: products of its article type and "
    "of its title's word for whom it is (men, women, …), in that colour; itself excluded",
    figures=("R@10", "R@50", "mAP"),
)


def add_tasks(draft: Draft, seen_types: Container[str], seed: int) -> None:
    """Add what a collection's products are asked for by, over the same galleries.

    `text` (every title of a gallery asks), `seen-types` and `unseen-types` (those of such article
    types alone); `colour` ("this product, but red"), `colour-seen-types` and
    `colour-unseen-types`, where the products have colours.

    Args:
        draft: which has all its items.
        seen_types: the article types that are trained on.
        seed: of the choice of colour queries.
    """
    colours = (one for split in QUERIES for one in colour_rows(draft.items, split, seed))
    for info, prefix, asked in ((_TITLE, "", _titles(draft.items)), (_COLOUR, "colour-", colours)):
        rows, of_kind = list[TaskRow](), defaultdict[str, list[TaskRow]](list)
        for item, row in asked:
            rows.append(row)
            of_kind[KINDS[item.attributes[TYPE] not in seen_types]].append(row)
        if rows:
            draft.add_task(info, rows)
        for kind in (kind for kind in KINDS if kind in of_kind):
            draft.add_task(replace(info, name=prefix + kind), of_kind[kind])


def _titles(items: Sequence[Item]) -> Iterator[tuple[Item, TaskRow]]:
    """Yield each product of a gallery with the query that its title is."""
    ids = defaultdict[tuple[str, str], dict[str, float]](dict)  # split and title -> its products
    for item in items:
        ids[item.split, item.texts[0]][item.id] = 1.0
    for item in (item for item in items if item.split != "seen"):
        [title] = item.texts
        truth = Truth(ids[item.split, title])
        yield item, TaskRow(Query(item.id, title), item.split, item.attributes[TYPE], truth)
