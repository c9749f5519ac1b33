"""Charts as inline SVG: coloured by the page's style sheet, and readable without colours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from zscr.infer.answers.markup import attribute, isolated

LEFT, TOP, WIDTH, HEIGHT = 52, 12, 372, 260  # the plot within an image of 440 by 320
LEVELS = tuple(tenth / 10 for tenth in range(11))
SERIES = 8  # distinguishable lines; each has a colour, a dash pattern and a marker

STYLE = """
:root { --s0: #1d4ed8; --s1: #b45309; --s2: #047857; --s3: #be185d; --s4: #6d28d9; --s5: #0e7490;
  --s6: #4d7c0f; --s7: #57534e; }
@media (prefers-color-scheme: dark) { :root { --s0: #8ab4ff; --s1: #f5b455; --s2: #5fd6a5;
  --s3: #f68cc0; --s4: #c4a5ff; --s5: #67d4ea; --s6: #b5d96a; --s7: #b8b4ae; } }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { fill: var(--soft); font: 13px system-ui, sans-serif; }
.grid { stroke: var(--line); stroke-width: 1; }
.line { fill: none; stroke: currentColor; stroke-width: 1.6; stroke-linejoin: round; }
.dot { fill: var(--card); stroke: currentColor; stroke-width: 1.6; }
.s0 { color: var(--s0); } .s1 { color: var(--s1); } .s2 { color: var(--s2); }
.s3 { color: var(--s3); } .s4 { color: var(--s4); } .s5 { color: var(--s5); }
.s6 { color: var(--s6); } .s7 { color: var(--s7); }
.s0 .line { stroke-width: 3; } .s0 .dot { fill: currentColor; }
.s1 .line { stroke-dasharray: 7 3; } .s2 .line { stroke-dasharray: 2 3; }
.s3 .line { stroke-dasharray: 9 3 2 3; } .s4 .line { stroke-dasharray: 4 4; }
.s5 .line { stroke-dasharray: 12 4; } .s6 .line { stroke-dasharray: 1 4; }
.s7 .line { stroke-dasharray: 5 2 1 2 1 2; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; margin-top: .6rem; font-size: .85rem; }
.legend > div { display: flex; align-items: center; gap: .45rem; }
.legend svg { width: 44px; flex: none; } .legend span { color: var(--ink); }
.bars { display: grid; grid-template-columns: fit-content(38%) minmax(4rem, 1fr) auto;
  align-items: center; gap: .3rem .7rem; margin-top: .8rem; font-size: .85rem; }
.bars .name { overflow-wrap: anywhere; } .bars .value { font-variant-numeric: tabular-nums; }
.bars svg { height: 18px; } .bars .back { fill: var(--field); }
.bars .first { fill: var(--s0); } .bars .second { fill: var(--s1); }
"""


@dataclass(frozen=True)
class Series:
    """One line of a chart: precision at recall 0, 0.1, …, 1. `style` is below `SERIES`."""

    name: str
    values: Sequence[float]
    style: int


def recall_chart(title: str, lines: Sequence[Series]) -> str:
    """Draw interpolated precision over recall; the first line lies on top."""
    drawn = "".join(_line(line) for line in reversed(lines))
    label = f"{title}: precision at recall 0 to 1 of {', '.join(s.name for s in lines)}"
    return framed(label, _grid() + drawn, "recall", "precision")


def framed(label: str, drawn: str, across: str, upward: str) -> str:
    """Return a plot as an image: what is drawn in it, and what its axes are."""
    middle = TOP + HEIGHT / 2
    return (
        f'<svg viewBox="0 0 440 320" role="img" aria-label="{attribute(label)}">{drawn}'
        f'<text x="{LEFT + WIDTH / 2:g}" y="316" text-anchor="middle">{across}</text>'
        f'<text x="12" y="{middle:g}" text-anchor="middle" '
        f'transform="rotate(-90 12 {middle:g})">{upward}</text></svg>'
    )


def _grid() -> str:
    parts = []
    for level in (0, 0.2, 0.4, 0.6, 0.8, 1):
        x, y = _place(level, level)
        right, bottom = LEFT + WIDTH, TOP + HEIGHT
        parts.append(f'<path class="grid" d="M{LEFT} {y:g}H{right}M{x:g} {TOP}V{bottom}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{level:g}</text>')
        parts.append(f'<text x="{x:g}" y="{bottom + 17}" text-anchor="middle">{level:g}</text>')
    return "".join(parts)


def _place(recall: float, precision: float) -> tuple[float, float]:
    return LEFT + WIDTH * recall, round(TOP + HEIGHT * (1 - precision), 1)


def _line(line: Series) -> str:
    points = [_place(*point) for point in zip(LEVELS, line.values, strict=True)]
    return polyline(line.style, points, marked=points)


def polyline(
    style: int, points: Iterable[tuple[float, float]], *, marked: Iterable[tuple[float, float]] = ()
) -> str:
    """Return a line through places of the image, with markers at some."""
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    marks = "".join(_marker(style, x, y) for x, y in marked)
    return f'<g class="s{style}"><polyline class="line" points="{path}"/>{marks}</g>'


def _marker(style: int, x: float, y: float) -> str:
    """Return a circle, square, triangle or diamond; the first of each four is the larger."""
    if style == SERIES - 1:
        return ""
    size = 3.6 if style < 4 else 2.4
    corners = {
        1: ((-1, -1), (1, -1), (1, 1), (-1, 1)),
        2: ((0, -1.3), (1.2, 1), (-1.2, 1)),
        3: ((0, -1.4), (1.4, 0), (0, 1.4), (-1.4, 0)),
    }.get(style % 4)
    if corners is None:
        return f'<circle class="dot" cx="{x:g}" cy="{y:g}" r="{size}"/>'
    path = " ".join(f"{x + size * dx:g},{y + size * dy:g}" for dx, dy in corners)
    return f'<polygon class="dot" points="{path}"/>'


def legend(lines: Iterable[Series]) -> str:
    """Name each line beside a piece of it."""
    entries = (
        f'<div class="s{line.style}"><svg viewBox="0 0 44 12" aria-hidden="true">'
        f'<path class="line" d="M0 6H44"/>{_marker(line.style, 22, 6)}</svg>'
        f"<span>{isolated(line.name)}</span></div>"
        for line in lines
    )
    return f'<div class="legend">{"".join(entries)}</div>\n'


def bars(rows: Iterable[tuple[str, Sequence[float]]]) -> str:
    """Draw a row a name with one bar, or a second, thinner one below it; values are shares."""
    return f'<div class="bars">\n{"".join(_bar(*row) for row in rows)}</div>\n'


def _bar(name: str, values: Sequence[float]) -> str:
    heights = ((1, 16),) if len(values) == 1 else ((0, 11), (12, 6))
    drawn = "".join(
        f'<rect class="{style}" y="{y}" width="{100 * value:.1f}" height="{height}"/>'
        for style, value, (y, height) in zip(("first", "second"), values, heights, strict=False)
    )
    shown = " · ".join(f"{value:.3f}" for value in values)
    return (
        f'<div class="name" dir="auto">{isolated(name)}</div><svg viewBox="0 0 100 18" '
        f'preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="back" width="100" height="18"/>{drawn}</svg>'
        f'<div class="value">{shown}</div>\n'
    )
