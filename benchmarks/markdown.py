"""What the tables of the documents are written with."""

from __future__ import annotations

from collections.abc import Sequence


def head(corner: str, columns: Sequence[str]) -> list[str]:
    """Return the two lines that a table begins with."""
    return [row(corner, columns), "|---|" + "---|" * len(columns)]


def row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | " + " | ".join(cells) + " |"


def with_spread(mean: float, spread: float | None) -> str:
    """Return a figure, with its deviation over seeds where there are several."""
    return f"{mean:.3f}" + (f" ± {spread:.3f}" if spread is not None else "")
