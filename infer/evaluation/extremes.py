"""The best and the worst queries of an evaluation, with what they found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zscr.infer.answers.answer import Answer, Hit
from zscr.infer.evaluation.captions import asks_by_caption
from zscr.infer.evaluation.metrics import Values
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.evaluation.ranking import rank

SHOWN = 5  # queries of each kind
K = 10


@dataclass(frozen=True)
class Extremes:
    """Queries with the highest average precision, best first, and the lowest, worst first."""

    best: tuple[Answer, ...]
    worst: tuple[Answer, ...]


def find_extremes(
    ranked: Ranked,
    labels: Sequence[str],
    images: Mapping[str, Path],
    *,
    classes: Mapping[str, str] | None = None,
    shown: int = SHOWN,
) -> Extremes:
    """Pick the best and the worst query of as many groups, at most half of them each.

    One query a group, because the best group's own queries would fill the list otherwise.

    Args:
        ranked: the task, with what ranks its gallery.
        labels: (Q,) what each query says; shown where it is nothing but a vector.
        images: item id -> its image's file; items without one are shown by their id.
        classes: item id -> its class, where items have classes.
        shown: queries of each kind at most.
    """
    groups = ranked.task.groups
    assert len(labels) == len(groups), (len(labels), len(groups))
    precision = ranked.average_precision()
    count = min(shown, -(-len(set(groups)) // 2))
    best = _one_a_group(-precision, groups)[:count]
    worst = [row for row in _one_a_group(precision, groups) if row not in best][:count]
    answers = []
    for row in best + worst:
        query = ranked.task.queries[row]
        if query.fields == {"vector"}:
            query = replace(query, text=labels[row], vector=None)
        hits = _hits(ranked, row, images, classes or {})
        group = () if groups[row] == query.id else (groups[row],)
        note = " · ".join((*group, f"average precision {precision[row]:.3f}"))
        if asks_by_caption(ranked.task):
            first = next(hit for hit in hits if hit.correct)
            note = f"the first right one stands at rank {first.rank:,}"
        answers.append(Answer(query, hits, (note,)))
    return Extremes(tuple(answers[: len(best)]), tuple(answers[len(best) :]))


def _one_a_group(cost: Values, groups: Sequence[str]) -> list[int]:
    """Return the row of each group's cheapest query, cheapest first."""
    rows: dict[str, int] = {}
    for row in np.argsort(cost, kind="stable"):
        rows.setdefault(groups[row], int(row))
    return list(rows.values())


def _hits(
    ranked: Ranked, row: int, images: Mapping[str, Path], classes: Mapping[str, str]
) -> tuple[Hit, ...]:
    """Return the first `K` items of one query's ranking; left-out ones are not in it.

    Where a caption asks, the first right one follows if it is not among them: nobody can judge a
    miss without it.
    """
    scores = ranked.scores(row)
    order = rank(scores)
    [grades] = ranked.task.relevance.grades(slice(row, row + 1), order)
    counted = ~np.isnan(grades)
    items, right = order[0, counted], grades[counted] > 0
    places = [*range(min(K, len(items)))]
    if asks_by_caption(ranked.task) and not right[:K].any():
        places.append(int(right.argmax()))
    hits = []
    for place in places:
        item = int(items[place])
        name = ranked.task.gallery[item]
        image = str(images[name]) if name in images else None
        score = float(scores[0, item])
        correct = bool(right[place])
        hits.append(Hit(place + 1, name, score, classes.get(name), image, correct))
    return tuple(hits)
