"""Grades along rankings: which items count, and how many of them are relevant to each query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from zscr.data.relevance import Grades, Relevance
from zscr.errors import InputError
from zscr.infer.evaluation.metrics import Hits, Sizes
from zscr.infer.evaluation.ranking import block_rows


@dataclass(frozen=True)
class Counts:
    """Of each query's own gallery, (Q,) each: `relevant` items, and all items (`sizes`)."""

    relevant: Sizes
    sizes: Sizes

    def of(self, kept: npt.NDArray[np.bool_]) -> Counts:
        """Return the counts of some of the queries."""
        return Counts(self.relevant[kept], self.sizes[kept])


def compacted(grades: Grades) -> tuple[Hits, Sizes]:
    """Close the gaps that left-out items leave in rankings; the others keep their order.

    Args:
        grades: (B, G) along rankings, NaN where an item is left out.

    Returns:
        (B, G') whether each item is relevant, G' the size of the largest of the queries' own
        galleries, with False behind the end of smaller ones; and those sizes (B,).

    Raises:
        InputError: all items are left out of a query's ranking.
    """
    counted = ~np.isnan(grades)
    hits, sizes = grades > 0, counted.sum(axis=1)
    if counted.all():
        return hits, sizes
    if not sizes.all():
        raise InputError(
            f"all items are left out of the rankings of {(sizes == 0).sum()} of {len(sizes)} "
            f"queries; give these queries a larger subset or fewer exclusions"
        )
    closed = np.zeros((len(grades), sizes.max()), np.bool_)
    closed[np.arange(closed.shape[1]) < sizes[:, None]] = hits[counted]
    return closed, sizes


def count_relevant(
    relevance: Relevance, queries: int, gallery: int, block: int | None = None
) -> Counts:
    """Count each query's relevant items and the size of its own gallery, without any ranking.

    Args:
        relevance: of Q `queries` and G `gallery` items.
        queries: Q; gallery: G.
        block: queries looked at a time; see `ranked_blocks`.
    """
    relevant, sizes = np.zeros(queries, np.intp), np.zeros(queries, np.intp)
    for part, places in relevance.parts():
        ranked = np.arange(gallery) if places is None else places
        step = block_rows(max(1, len(ranked)), block)
        for start in range(part.start, part.stop, step):
            rows = slice(start, min(start + step, part.stop))
            order = np.broadcast_to(ranked, (rows.stop - start, len(ranked)))
            grades = relevance.grades(rows, order)
            relevant[rows] = (grades > 0).sum(axis=1)
            sizes[rows] = (~np.isnan(grades)).sum(axis=1)
    return Counts(relevant, sizes)
