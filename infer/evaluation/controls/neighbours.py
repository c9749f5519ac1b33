"""The images of a task's gallery that are best for each of its queries, for a second search."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from zscr.data.relevance import Order
from zscr.data.tasks import Task
from zscr.infer.evaluation.ranking import Scorer, first_places, rank, scored_blocks


def neighbours(
    task: Task, scorer: Scorer, count: int
) -> Iterator[tuple[Order, npt.NDArray[np.floating]]]:
    """Yield each query's best gallery positions (K,) and their scores (K,), best first.

    K is `count`, or as many as the query's own gallery has. A query's own image is one of them
    where the gallery holds it, as in the published protocols: what is left out of a ranking is left
    out of the answer alone.
    """
    for queries, places in task.relevance.parts():
        part = scorer if places is None else scorer.part(queries, places)
        for _, scores in scored_blocks(part):
            best = first_places(rank(scores), count)
            found = np.take_along_axis(scores, best, axis=1)
            yield from zip(best if places is None else places[best], found, strict=True)
