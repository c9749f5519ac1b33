"""What the tables of the documents are written with."""

from __future__ import annotations

from collections.abc import Sequence


def head(corner: str, columns: Sequence[str]) -> list[str]:
    """Return the two lines that a table begins with."""
    return [row(corner, columns), "|---|" + "---|" * len(columns)]


def row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"


def with_interval(mean: float, low: float, high: float) -> str:
    """Return a difference with the interval that it lies in."""
    return f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"


def with_spread(mean: float, spread: float | None) -> str:
    """Return a figure, with its deviation over seeds where there are several."""
    return f"{mean:.3f}" + (f" ± {spread:.3f}" if spread is not None else "")
