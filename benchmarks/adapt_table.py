"""The table of `adapt_quality.py`'s results: leads over the refitted kernel on new images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markdown import head, row, with_interval

KERNEL = "kernel ridge, refitted"
OVER = f"over {KERNEL}"
# Row of the table -> row of the results; what each is given stands in its name.
ROWS = {
    "base run": "base run",
    "base run, expanded": "base run + feedback",
    "base run, diffused": "base run + diffusion",
    "names: diffusion, inverted softmax, feedback": "base run, names: diffusion + inverted softmax"
    " + feedback",
    "adapted, no names": "adapted, no names",
    "adapted, all names": "adapted, all names",
    "adapted, half the names, of the listed": "half the names, listed",
    "adapted, half the names, of the others": "half the names, unlisted",
    "adapted, `--complete`": "adapted, all names, --complete",
}
A, B = 0, 1


def adapt_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A row a model, a column a collection: the lead on B, and in brackets that on A."""
    columns = [f"`{result['collection']}`" for result in results]
    lines = head("B (A)", columns)
    kernel = [f"{mean(result, B):.3f} ({mean(result, A):.3f})" for result in results]
    lines.append(row(f"{KERNEL}, mAP", kernel))
    for name, key in ROWS.items():
        lines.append(row(name, [lead(result, key) for result in results]))
    seeds = ", ".join(f"{result['collection']} {len(result['seeds'])}" for result in results)
    return "\n".join([*lines, "", f"Seeds of run and halves: {seeds}."])


def mean(result: Mapping[str, Any], half: int) -> float:
    return float(result["rows"][KERNEL][half]["mAP"])


def lead(result: Mapping[str, Any], key: str) -> str:
    """The paired difference on new images with its interval, and that on A."""
    adapted, new = result["rows"][key]
    return f"{with_interval(*new[OVER])} ({adapted[OVER][0]:+.3f})"
