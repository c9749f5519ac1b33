"""A result as Markdown: facts, a row a part, the ways to search."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from zscr.infer.bench import compare
from zscr.infer.bench.lines import (
    HEAD,
    RULE,
    SWEEP_HEAD,
    about,
    facts_of,
    lines_of,
    sweep_lines,
)
from zscr.infer.bench.result import Result
from zscr.printable import printable


def markdown(result: Result) -> str:
    """Return the whole report."""
    facts = "".join(f"- {name}: {value}\n" for name, value in about(result).items())
    return f"# zscr bench\n\n{facts}\n{tables(result)}\n{RULE}\n"


def tables(result: Result) -> str:
    """Return the tables, and what they do not say."""
    shown: dict[Sequence[str], list[Sequence[str]]] = {
        HEAD: [line.cells for line in lines_of(result)],
        compare.HEAD: [*compare.compared_rows(compare.against(result))],
        SWEEP_HEAD: [row for sweep in result.sweeps for row in sweep_lines(sweep)],
    }
    parts = [markdown_table(head, rows) for head, rows in shown.items() if rows]
    facts = "".join(f"{printable(fact)}\n" for fact in facts_of(result))
    return "\n".join([*parts, *([facts] if facts else [])])


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose columns are as wide as their cells, so that it is read as text, too."""
    cells = [[printable(cell).replace("|", "\\|") for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_row(row, widths) for row in cells]
    lines.insert(1, _row(["-" * width for width in widths], widths))
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |"
