"""The table of `composed_quality.py`'s results: one of each task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markdown import head, row, with_interval, with_spread

FIGURES = ("hit@10", "mAP")
AGAINST = ("weighted average", "text arithmetic")  # of which mappers are ahead, or not


def composed_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A table a task: what composes without training, and the mappers."""
    parts = [
        one_task(result, name, task) for result in results for name, task in result["tasks"].items()
    ]
    return "\n\n".join(parts)


def one_task(result: Mapping[str, Any], name: str, task: Mapping[str, Any]) -> str:
    less = (f"{name} less {other} [95 %]" for other in AGAINST for name in FIGURES)
    columns = [*FIGURES, *less]
    lines = head(f"`{result['collection']}`, {name}", columns)
    lines += [row(one, cells(found)) for one, found in task["rows"].items()]
    about = f"{task['queries']:,} queries of {task['groups']:,} groups, {task['gallery']:,} "
    about += f"images; {len(result['seeds'])} seeds."
    return "\n".join([*lines, "", about])


def cells(found: Mapping[str, Any]) -> list[str]:
    """Return a row's figures, with deviations over seeds, and how far a mapper is ahead."""
    spreads = found["sd"] if any(found["sd"]) else [None, None]
    shown = [
        with_spread(found[name]["mean"], spread)
        for name, spread in zip(FIGURES, spreads, strict=True)
    ]
    less = found.get("less", {})
    for other in AGAINST:
        for name in FIGURES:
            gain = less.get(other, {}).get(name)
            shown.append(with_interval(gain["mean"], *gain["interval"]) if gain else "")
    return shown
