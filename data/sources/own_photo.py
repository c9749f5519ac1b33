"""The task `own-photo`: a sketch asks for the photo that it was drawn after, among all photos."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePath

from zscr.data.draft import Draft
from zscr.data.records import Item, Query
from zscr.data.relevance import Truth
from zscr.data.task_files import TaskInfo, TaskRow

NAME, FIGURES = "own-photo", ("R@1", "R@5", "mAP")
PROTOCOL = "each sketch asks for the photo that it was drawn after, among all photos of its split"


def add_own_photo(draft: Draft) -> dict[str, int]:
    """Add the task to a collection of Sketchy, whose `X-n.png` was drawn after `X.jpg`.

    Right is every photo of that name in the sketch's class: extended Sketchy lists most twice.

    Returns:
        How many sketches are left out because their photo is not there, for the provenance.
    """
    photos = _photos(draft.items)
    sketches = [item for item in draft.items if item.sketch]
    rows = [_row(item, found) for item in sketches if (found := photos.get(_asked(item)))]
    lost = len(sketches) - len(rows)
    if rows:
        info = TaskInfo(NAME, protocol=PROTOCOL, figures=FIGURES, missing=lost)
        draft.add_task(info, rows)
    return {"sketches_without_photo": lost}


def _photos(items: Sequence[Item]) -> dict[tuple[str | None, str], list[str]]:
    """Return class and name of each photo -> ids of the items that are that photo."""
    photos = defaultdict[tuple[str | None, str], list[str]](list)
    for item in (item for item in items if item.image):
        photos[item.class_id, PurePath(str(item.image)).stem].append(item.id)
    return photos


def _asked(sketch: Item) -> tuple[str | None, str]:
    return sketch.class_id, PurePath(str(sketch.sketch)).stem.rpartition("-")[0]


def _row(sketch: Item, photos: Sequence[str]) -> TaskRow:
    query = Query(sketch.id, sketch=sketch.sketch)
    return TaskRow(query, sketch.split, str(sketch.class_id), Truth(dict.fromkeys(photos, 1.0)))
