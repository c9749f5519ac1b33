"""The table of what evaluating a whole benchmark of sketches takes."""

from __future__ import annotations

from collections.abc import Mapping
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
