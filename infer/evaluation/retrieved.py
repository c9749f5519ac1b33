"""The ZSCRGAN reference's own result file: the class ids of what each query retrieved, pickled."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from zscr.disk import new_parents
from zscr.infer.evaluation.metrics import macro
from zscr.infer.evaluation.ranking import Scorer, ranked_blocks
from zscr.partial import write_atomically

ClassId = int | str
Retrieved = Mapping[ClassId, Sequence[ClassId]]

PROTOCOL = 2  # the highest that the reference's Python 2 reads


def retrieved_classes(
    scorer: Scorer,
    *,
    query_classes: Sequence[str],
    gallery_classes: Sequence[str],
    k: int = 50,
) -> list[dict[ClassId, list[ClassId]]]:
    """Return a dict a query: `{its class id: [class ids of its first k items, best first]}`.

    Ids that are written like an int ("3", not "03") become ints, as in the reference.

    Args:
        scorer: what ranks G items for each of Q queries.
        query_classes: the class id of each query.
        gallery_classes: the class id of each gallery item.
        k: items kept a query; a smaller gallery gives fewer.
    """
    classes = len(query_classes), len(gallery_classes)
    assert scorer.shape == classes, (scorer.shape, classes)
    gallery_ids = [_as_reference(class_id) for class_id in gallery_classes]
    retrieved: list[dict[ClassId, list[ClassId]]] = []
    for start, order in ranked_blocks(scorer):
        for row, top in enumerate(order[:, :k], start):
            retrieved.append({_as_reference(query_classes[row]): [gallery_ids[i] for i in top]})
    return retrieved


def _as_reference(class_id: str) -> ClassId:
    number = int(class_id) if class_id.isdecimal() else None
    return class_id if number is None or str(number) != class_id else number


def write_retrieved(folder: Path, retrieved: Sequence[Retrieved]) -> Path:
    """Write `folder/acc<macro Prec@k>.pkl`, such as `acc0.521.pkl`, and return its path.

    A pickle because the reference's own readers expect one; zscr never reads it back.

    Raises:
        ArtefactError: the disk is full.
    """
    classes = [str(class_id) for answer in retrieved for class_id in answer]
    share = [np.mean([found == c for found in top]) for a in retrieved for c, top in a.items()]
    path = folder / f"acc{macro(np.array(share), classes):.3f}.pkl"
    with new_parents(path):
        write_atomically(path, pickle.dumps([dict(answer) for answer in retrieved], PROTOCOL))
    return path
