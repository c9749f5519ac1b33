"""Which of the measured models are worth a choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from zscr.infer.models.listed import Listed
from zscr.infer.models.measured import Measured


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
    """Mark the Pareto-best in milliseconds an image, milliseconds a text and R@10.

    Compared are the models that were measured on the machine and the collection of the newest
    measurement that has a recall; of the others `best` stays None.
    """
    found = {place: row.measured for place, row in enumerate(rows) if row.measured}
    costs = {place: cost for place, one in found.items() if (cost := _costs(one))}
    if not costs:
        return [*rows]
    newest = max(costs, key=lambda place: found[place].when)
    like = [place for place in costs if _where(found[place]) == _where(found[newest])]
    best = dict(zip(like, pareto_best([costs[place] for place in like]), strict=True))
    return [replace(row, best=best.get(place)) for place, row in enumerate(rows)]


def _costs(measured: Measured) -> tuple[float, float, float] | None:
    """Return milliseconds on all cores, and 1 - R@10; None where one was not measured."""
    speed, recall = measured.speeds[0], measured.recall
    if speed.text_ms is None or recall is None:
        return None
    return speed.image_ms, speed.text_ms, 1 - recall.at_10


def _where(measured: Measured) -> tuple[str, str]:
    return measured.machine, measured.recall.sha256 if measured.recall else ""
