"""What a report's queries, groups and own figures are called where people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from zscr.data.relevance import ByItem
from zscr.data.tasks import Task

Report = Mapping[str, Any]

PRETRAINED = "pretrained"  # a selection, and the key of what is said of such weights
TEXT = "text"  # the task in which texts ask for the images of their class
OF_CLASSES = (TEXT, "sketch")  # the tasks that follow from classes, which are their groups


# One of a report's groups -> several.
WORDS = {"class": "classes", "image": "images", "query": "queries", "group": "groups"}
OF_ONE = ("image", "query")  # groups of so few queries each, and so many, that none is shown


def grouped_by(task: Task) -> str:
    """Return what one of the groups of a task's queries is: one of `WORDS`."""
    if task.groups == tuple(query.id for query in task.queries):
        return "query"
    if isinstance(task.relevance, ByItem):
        return "image" if set(task.groups) <= set(task.gallery) else "group"
    return "class" if task.name in OF_CLASSES else "group"


def judged_on(report: Report) -> str:
    """Say which queries a report is of: `unseen classes`, `unseen images`, `composed, unseen`."""
    task, several = report.get("task", TEXT), group_words(report)[1]
    of_all = task == TEXT and several != WORDS["group"]
    return f"{report['split']} {several}" if of_all else f"{task}, {report['split']}"


def group_words(report: Report) -> tuple[str, str]:
    """Return what one of the groups of a report's queries is called, and what several are."""
    own = "class" if report.get("task", TEXT) in OF_CLASSES else "group"
    one = report.get("grouped_by", own)
    return one, WORDS[one]


def origin_words(report: Report) -> str:
    """Say where a report's weights come from: how they were chosen and drawn, or who gave them."""
    if given := report.get(PRETRAINED):
        known = [f"{name} {given[name]}" for name in ("revision", "licence") if given.get(name)]
        return ", ".join([f"{PRETRAINED} {given['family']}, {given['source']}", *known])
    seeds = report["seeds"]
    named = f"seeds {', '.join(map(str, seeds))}" if len(seeds) > 1 else f"seed {seeds[0]}"
    return f"{report['selection']}, {named}, torch {report['versions']['torch']}"


def own_figures(report: Report, shown: Iterable[str]) -> list[str]:
    """Return the task's own figures that are not shown anyway, by their full names."""
    return [name for name in report["figures"] if name not in {*shown}]


def queries_words(report: Report) -> str:
    """Say how many queries a report is of, and how many of them count 0."""
    zeros = report.get("zeros")
    return f"{report['queries']} queries" + (f" ({zeros:,} count 0)" if zeros else "")
