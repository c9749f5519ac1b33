"""Makes a collection of CIRCO (Baldrati et al., ICCV 2023): several right images a query."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from zscr.data.collection import new_collection
from zscr.data.relevance import Truth
from zscr.data.sources.archive import opened
from zscr.data.sources.origin import described
from zscr.data.sources.triplets.annotations import (
    find_layout,
    folders,
    published_id,
    read_annotations,
    spoken,
)
from zscr.data.sources.triplets.images import add_items, located, put
from zscr.data.sources.triplets.triplet import Triplet, add_task
from zscr.data.task_files import TaskInfo
from zscr.errors import InputError
from zscr.schema import listing, record, words

SPLITS = ("val", "test")
KS = (5, 10, 25, 50)
FIGURES = tuple(f"mAP@{k}" for k in KS)
TARGET_FIGURES = tuple(f"R@{k}" for k in KS)
PROTOCOL = "CIRCO {}, {:,} images of COCO's unlabeled2017, the reference kept in its ranking"
INFO = "image_info_unlabeled2017.json"
_INFO = record({"images": listing(record({"id": published_id, "file_name": words}), 1)})
_QUERIES = listing(
    record(
        {"id": published_id, "reference_img_id": published_id, "relative_caption": words},
        {
            "target_img_id": published_id,
            "gt_img_ids": listing(published_id, 1),
            "semantic_aspects": listing(words),
        },
    ),
    1,
)

Rows = Sequence[Mapping[str, Any]]


def convert_circo(source: Path, out: Path, *, skip_missing: bool = False) -> None:
    """Convert CIRCO into the collection `out`, as far as its splits val and test are there.

    Tasks: `val` by all the right images (mAP@k), `val-target` by the one that the text was written
    for (R@k), `val-<aspect>` of the queries with a semantic aspect (mAP@10), and `test`, whose
    answers a server keeps. Items have COCO's ids. Texts are the relative captions alone.

    Args:
        source: a folder or ZIP with `annotations/` and `COCO2017_unlabeled/`, or the folder above.
        out: the collection to make; must not exist.
        skip_missing: leave out and count images that are missing, as damaged ones always are.

    Raises:
        InputError: the annotations cannot be read, or an image is missing.
    """
    with opened(source) as folder:
        root = find_layout(source, folder, [f"annotations/{split}.json" for split in SPLITS])
        names = _gallery(root)
        places = located(source, folder, names, skip=skip_missing)
        there = [split for split in SPLITS if (root / f"annotations/{split}.json").is_file()]
        queries = {s: read_annotations(root / f"annotations/{s}.json", _QUERIES) for s in there}
        with new_collection(
            out, name="circo", protocol="CIRCO", provenance=described(source)
        ) as draft:
            add_items(draft, files := put(draft, places))
            missing = sum(file is None for file in files.values())
            for split, rows in queries.items():
                for info, asked in _tasks(split, rows, PROTOCOL.format(split, len(names))):
                    add_task(draft, replace(info, missing=missing), _triplets(info, asked), files)


def _gallery(root: Path) -> dict[str, str]:
    """Return how each image's file is written, by its id as text, in the published order."""
    infos = [path for one in folders(root) if (path := one / INFO).is_file()]
    if len(infos) != 1:
        raise InputError(f"{root} holds {INFO} {len(infos)} times, not once; put it there")
    named = read_annotations(infos[0], _INFO)["images"]
    return {str(int(image["id"])): f"unlabeled2017/{image['file_name']}" for image in named}


def _tasks(split: str, rows: Rows, protocol: str) -> Iterator[tuple[TaskInfo, Rows]]:
    """Yield each task with its queries."""
    server = "circo" if split == "test" else None
    whole = TaskInfo(split, figures=FIGURES, protocol=protocol, server=server)
    yield whole, rows
    if server:
        return
    yield replace(whole, name=f"{split}-target", figures=TARGET_FIGURES), rows
    for aspect in dict.fromkeys(a for row in rows for a in row.get("semantic_aspects", ())):
        asked = [row for row in rows if aspect in row.get("semantic_aspects", ())]
        yield replace(whole, name=f"{split}-{aspect}", figures=("mAP@10",)), asked


def _triplets(info: TaskInfo, rows: Rows) -> Iterator[Triplet]:
    for row in rows:
        right = [] if info.server else _right(row, target=info.figures == TARGET_FIGURES)
        reference, texts = str(int(row["reference_img_id"])), (spoken(row["relative_caption"]),)
        name = str(int(row["id"]))
        truth = Truth({str(int(image)): 1.0 for image in right})
        yield Triplet(name, reference, texts, truth, name)


def _right(row: Mapping[str, Any], *, target: bool) -> list[int]:
    """Return the ids of what is right: the target alone, or every image that was found to be."""
    key = "target_img_id" if target else "gt_img_ids"
    if key not in row:
        raise InputError(f"query {row['id']} of CIRCO's val has no {key}; fetch it anew")
    return [row[key]] if target else row[key]
