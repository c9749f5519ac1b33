"""The table of `sketch_quality.py`'s results: one of each collection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markdown import head, row, with_interval, with_spread

FIGURES = (("sketch", "mAP"), ("own-photo", "R@1"), ("own-photo", "R@5"))
RIDGE = "ridge onto class codes"


def sketch_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A table a collection: the method with and without its second encoder, and every control."""
    return "\n\n".join(one_collection(result) for result in results)


def one_collection(result: Mapping[str, Any]) -> str:
    columns = ["mAP", "own photo R@1", "own photo R@5", f"mAP less {RIDGE} [95 %]"]
    lines, tasks = head(f"`{result['collection']}`", columns), result["tasks"]
    rows = tasks["sketch"].items()
    for name, found in sorted(rows, key=lambda one: "ahead" not in one[1]):  # methods first
        cells = [figure(tasks[task].get(name), metric) for task, metric in FIGURES]
        lines.append(row(name, [*cells, gain(found)]))
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


def gain(found: Mapping[str, Any]) -> str:
    """Return how far a row of the method is ahead of the strongest control without training."""
    ahead = found.get("ahead", {}).get(RIDGE)
    return (
        with_interval(ahead["difference"]["mean"], *ahead["difference"]["interval"])
        if ahead
        else ""
    )
