"""What a report's queries, groups and own figures are called where people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zscr.infer.evaluation.figures import read_figure

Report = Mapping[str, Any]

TEXT = "text"  # the task in which texts ask for the images of their class
OF_CLASSES = (TEXT, "sketch")  # the tasks that follow from classes, which are their groups


def judged_on(report: Report) -> str:
    """Say which queries a report is of: `unseen classes`, or `composed, unseen`."""
    task = report.get("task", TEXT)
    return f"{report['split']} classes" if task == TEXT else f"{task}, {report['split']}"


def group_words(report: Report) -> tuple[str, str]:
    """Return what one of the groups of a report's queries is called, and what several are."""
    of_classes = report.get("task", TEXT) in OF_CLASSES
    return ("class", "classes") if of_classes else ("group", "groups")


def own_figures(report: Report, shown: Iterable[str]) -> list[str]:
    """Return the task's own figures whose metrics are not shown anyway, by their full names."""
    metrics = {read_figure(name)[0] for name in shown}
    return [name for name in report["figures"] if read_figure(name)[0] not in metrics]
