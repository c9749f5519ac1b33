"""The tables of what whole ViTs on sketches take: to evaluate a whole benchmark, and to train."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from markdown import head, row

TITLES = {"blocks": "blocks of queries", "whole": "one matrix of distances first"}


def scale_table(result: Mapping[str, Any]) -> str:
    """A row a way: memory at a quarter of the sketches and at all of them, and seconds."""
    sizes = [*result["ways"]["blocks"]]
    columns = [f"MB, {int(size):,} sketches" for size in sizes] + ["CPU seconds, all"]
    lines = head(f"{result['photos']:,} photos", columns)
    for way, found in result["ways"].items():
        cells = [f"{found[size]['peak_mb']:,}" for size in sizes]
        lines.append(row(TITLES[way], [*cells, f"{found[sizes[-1]]['seconds']:.0f}"]))
    return "\n".join(lines)


def turns_table(results: Iterable[Mapping[str, Any]]) -> str:
    """A row a device: images a second of training, and how evaluating compares."""
    ways = ["released", "zse", "cmaan"]
    columns = [f"{way}, images a second" for way in ways]
    lines = head("training", [*columns, "zse against released", "evaluating, the same"])
    for result in results:
        training, evaluation = result["training"], result["evaluation"]
        cells = [f"{training['images_a_second'][way]:,.0f}" for way in ways]
        cells.append(f"{training['times_the_released_loop']['zse']:.1f}")
        cells.append(f"{evaluation['ours_faster_by']:.1f}")
        lines.append(row(f"ViT-{result['size']}, {result['device']}", cells))
    return "\n".join(lines)
