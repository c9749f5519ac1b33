"""Tables of a card, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a table; a bar within a cell is escaped."""
    for row in (heads, ["---"] * len(heads), *rows):
        cells = (str(cell).replace("|", r"\|") for cell in row)
        yield f"| {' | '.join(cells)} |"
