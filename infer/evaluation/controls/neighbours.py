"""The images of a task's gallery that are best for each of its queries, for a second search."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from zscr.data.relevance import Order
from zscr.data.tasks import Task
from zscr.infer.evaluation.ranking import Scorer, rank, scored_blocks


def neighbours(
    task: Task, scorer: Scorer, count: int
) -> Iterator[tuple[Order, npt.NDArray[np.floating]]]:
    """Yield each query's best gallery positions (K,) and their scores (K,), best first.

    What is left out of a query's ranking, such as its own reference or another query's gallery, is
    none of them. K is `count`, or as many as there are.
    """
    for queries, places in task.relevance.parts():
        part = scorer if places is None else scorer.part(queries, places)
        for start, scores in scored_blocks(part):
            first, order = queries.start + start, rank(scores)
            items = order if places is None else places[order]
            grades = task.relevance.grades(slice(first, first + len(order)), items)
            for row, counted in enumerate(~np.isnan(grades)):
                best = order[row, counted][:count]
                yield best if places is None else places[best], scores[row, best]
