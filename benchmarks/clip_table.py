"""The table of `clip_quality.py`'s results: one of each task of captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markdown import head, row, with_interval, with_spread

FIGURES = ("R@1", "R@5", "R@10", "median rank")


def clip_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A table a task: the method, and what it must beat."""
    parts = [
        one_task(result, name, task) for result in results for name, task in result["tasks"].items()
    ]
    return "\n\n".join(parts)


def one_task(result: Mapping[str, Any], name: str, task: Mapping[str, Any]) -> str:
    columns = [*FIGURES, "clip less it, R@10 [95 %]"]
    lines = head(f"`{result['collection']}`, {name}", columns)
    lines += [row(model, cells(found)) for model, found in task["rows"].items()]
    about = f"{task['queries']:,} texts ask for {task['gallery']:,} images; chance has R@10 "
    about += f"{task['chance']['R@10']:.3f}. {len(result['seeds'])} seeds, whose validation items "
    about += f"chose rounds {', '.join(map(str, result['rounds']))}."
    return "\n".join([*lines, "", about])


def cells(found: Mapping[str, Any]) -> list[str]:
    """Return a model's figures, with deviations where it has seeds, and how far clip is ahead."""
    figures, sd = found["figures"], found.get("sd", {})
    shown = [with_spread(figures[name], sd.get(name)) for name in FIGURES[:-1]]
    shown.append(f"{figures[FIGURES[-1]]:g}")
    if "difference" not in found:
        return [*shown, ""]
    gain = found["difference"]["R@10"]
    return [*shown, with_interval(gain["mean"], *gain["interval"])]
