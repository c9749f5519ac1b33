"""Which of the measured models are worth a choice."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from zscr.infer.models.listed import Listed


def pareto_best(costs: Sequence[Sequence[float]]) -> list[bool]:
    """Say of N models whether each is Pareto-best.

    A model is, unless another is at least as good in every cost and better in one. So two that are
    equal in all do not exclude each other, and of any models one at least is best.

    Args:
        costs: N rows of the same costs, such as milliseconds; less is better.
    """
    rows: npt.NDArray[np.float64] = np.asarray(costs, np.float64)
    return [not bool(((rows <= one).all(1) & (rows < one).any(1)).any()) for one in rows]


def compared(rows: Sequence[Listed]) -> list[Listed]:
    """Mark the Pareto-best in milliseconds an image and a text, in size and in quality.

    Compared are models that were measured on one machine, answer the same kinds of queries, and
    were judged by the same figure on the same collection; `best` of one that has no such other
    stays None. The figure is the measured R@10; without it, what the export recorded.
    """
    groups: dict[Hashable, list[int]] = {}
    for place, row in enumerate(rows):
        if (key := _alike(row)) is not None:
            groups.setdefault(key, []).append(place)
    best: dict[int, bool] = {}
    for places in groups.values():
        if len(places) > 1:
            marks = pareto_best([_costs(rows[place]) for place in places])
            best |= dict(zip(places, marks, strict=True))
    return [replace(row, best=best.get(place)) for place, row in enumerate(rows)]


def _alike(row: Listed) -> Hashable | None:
    """Return what is the same of all models that one is compared with; None if it is with none."""
    quality, measured = _quality(row), row.measured
    if quality is None or measured is None:
        return None
    figure, sha256, _ = quality
    return measured.machine, row.takes, figure, sha256


def _quality(row: Listed) -> tuple[str, str, float] | None:
    """Return a figure, the collection that it is of, and its value, of which more is better."""
    if row.measured and (recall := row.measured.recall):
        return "R@10", recall.sha256, recall.at_10
    return (row.metric.name, row.metric.sha256, row.metric.value) if row.metric else None


def _costs(row: Listed) -> tuple[float, float, float, float]:
    """Return milliseconds on all cores, MiB, and the figure's negative."""
    assert row.measured is not None, "it was compared"
    speed, quality = row.measured.speeds[0], _quality(row)
    assert quality is not None, "it was compared"
    return speed.image_ms, speed.text_ms or 0.0, row.mib or 0.0, -quality[-1]
