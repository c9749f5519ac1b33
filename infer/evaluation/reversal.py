"""Figures of a task the other way round: its images ask, and its queries are ranked for them."""

from __future__ import annotations

from zscr.data.relevance import ByItem
from zscr.infer.evaluation.captions import asks_by_caption, reversed_captions
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.ranked import Ranked


def reversed_figures(ranked: Ranked) -> dict[str, float] | None:
    """Return a task's own figures with its sides exchanged, such as COCO's object composition's.

    Returns:
        Figure -> value; None unless every query asks for one image and every image is asked for
        by one query, each by one vector. Captions have their own figures both ways.
    """
    task = ranked.task
    if not isinstance(ranked, Embedded) or not isinstance(task.relevance, ByItem):
        return None
    asked = [name for truth in task.relevance.truths for name in truth.relevant]
    if asks_by_caption(task) or sorted(asked) != sorted(task.gallery):
        return None
    if len(task.queries) != len(asked) or (turned := reversed_captions(ranked)) is None:
        return None
    report = turned.report()
    return {name: report.metrics[name] for name in report.figures}
