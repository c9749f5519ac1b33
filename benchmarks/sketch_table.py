"""The table of `sketch_quality.py`'s results: one of each collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markdown import head, row, with_interval, with_spread

from zscr.infer.evaluation.controls.control import BOUND, CHANCE

FIGURES = (("sketch", "mAP"), ("own-photo", "R@1"), ("own-photo", "R@5"))
RIDGE = "ridge onto class codes"
README = ("cmaan + efficientnet-lite0", "cmaan", "cmaan, as specified", "zse")
README += ("kernel ridge onto class codes, views", RIDGE, CHANCE)


def sketch_overview(results: Sequence[Mapping[str, Any]], corner: str) -> str:
    """A row a collection: the methods, and what they must beat."""
    lines = head(corner, README)
    for result in results:
        rows = result["tasks"]["sketch"]
        lines.append(row(f"`{result['collection']}`", [figure(rows.get(n), "mAP") for n in README]))
    return "\n".join(lines)


def sketch_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A table a collection: the method with and without its second encoder, and every control."""
    return "\n\n".join(one_collection(result) for result in results)


def one_collection(result: Mapping[str, Any]) -> str:
    columns = ["mAP", "own photo R@1", "own photo R@5", f"mAP less {RIDGE} [95 %]"]
    columns.append("mAP less the strongest control [95 %]")
    lines, tasks = head(f"`{result['collection']}`", columns), result["tasks"]
    rows = tasks["sketch"]
    for name, found in sorted(rows.items(), key=lambda one: "ahead" not in one[1]):  # methods first
        cells = [figure(tasks[task].get(name), metric) for task, metric in FIGURES]
        gains = [gain(found, RIDGE), gain(found, strongest(found, rows))]
        lines.append(row(name, [*cells, *gains]))
    about = [said(name, model) for name, model in result["models"].items()]
    return "\n".join([*lines, "", *about])


def said(name: str, model: Mapping[str, Any]) -> str:
    """Say how a model was chosen, and what its training took."""
    spent = ", ".join(f"{seconds / 60:.1f}" for seconds in model["cpu_seconds"])
    rounds = ", ".join(map(str, model["rounds"]))
    return (
        f"- `{name}`: {len(model['seeds'])} seeds; validation classes chose rounds {rounds}; CPU "
        f"minutes of training, refit and features that were not kept yet included: {spent}."
    )


def figure(found: Mapping[str, Any] | None, metric: str) -> str:
    """Return a model's figure, with its deviation where it has seeds."""
    if found is None or metric not in found["metrics"]:
        return ""
    return with_spread(found["metrics"][metric], found.get("sd", {}).get(metric))


def strongest(found: Mapping[str, Any], rows: Mapping[str, Any]) -> str:
    """Return the control of the highest mAP among those that a row stands beside."""
    known = [name for name in found.get("ahead", {}) if name not in (BOUND, CHANCE)]
    return max(known, key=lambda name: rows[name]["metrics"]["mAP"], default="")


def gain(found: Mapping[str, Any], control: str) -> str:
    """Return how far a row of a method is ahead of a control, on the same queries."""
    ahead = found.get("ahead", {}).get(control)
    return (
        with_interval(ahead["difference"]["mean"], *ahead["difference"]["interval"])
        if ahead
        else ""
    )
