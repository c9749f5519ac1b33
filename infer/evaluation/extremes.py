"""The best and the worst queries of an evaluation, with what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zscr.infer.answers.answer import Answer, Hit
from zscr.infer.evaluation.embedded import Judged
from zscr.infer.evaluation.metrics import Values
from zscr.infer.evaluation.ranking import ranked_blocks

SHOWN = 5  # queries of each kind
K = 10


@dataclass(frozen=True)
class Extremes:
    """Queries with the highest average precision, best first, and the lowest, worst first."""

    best: tuple[Answer, ...]
    worst: tuple[Answer, ...]


def find_extremes(
    judged: Judged, texts: Sequence[str], images: Mapping[str, Path], *, shown: int = SHOWN
) -> Extremes:
    """Pick the best and the worst query of as many classes, at most half of them each.

    One query a class, because the best class's own queries would fill the list otherwise.

    Args:
        judged: the embedded queries and gallery.
        texts: (Q,) what each query says.
        images: item id -> its image's file; items without one are shown by their id.
        shown: queries of each kind at most.
    """
    assert len(texts) == len(judged.queries), (len(texts), len(judged.queries))
    precision = judged.average_precision()
    count = min(shown, -(-len(set(judged.query_classes)) // 2))
    best = _one_a_class(-precision, judged.query_classes)[:count]
    worst = [r for r in _one_a_class(precision, judged.query_classes) if r not in best][:count]
    answers = [_answer(judged, row, texts[row], precision[row], images) for row in best + worst]
    return Extremes(tuple(answers[: len(best)]), tuple(answers[len(best) :]))


def _one_a_class(cost: Values, classes: Sequence[str]) -> list[int]:
    """Return the row of each class's cheapest query, cheapest first."""
    rows: dict[str, int] = {}
    for row in np.argsort(cost, kind="stable"):
        rows.setdefault(classes[row], int(row))
    return list(rows.values())


def _answer(
    judged: Judged, row: int, text: str, precision: float, images: Mapping[str, Path]
) -> Answer:
    query = judged.queries[row : row + 1]
    [(_, order)] = ranked_blocks(query, judged.gallery)
    hits = []
    for rank, item in enumerate(order[0, :K].tolist(), 1):
        name, class_id = judged.gallery_ids[item], judged.gallery_classes[item]
        right = class_id == judged.query_classes[row]
        score = float(judged.gallery[item] @ query[0])
        image = str(images[name]) if name in images else None
        hits.append(Hit(rank, name, score, class_id, image, right))
    note = f"{judged.query_classes[row]} · average precision {precision:.3f}"
    return Answer(row + 1, text, tuple(hits), note)
