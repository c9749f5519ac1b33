"""Plots of a result: axes that fit the values, over the lines and styles of the report's charts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from zscr.infer.evaluation.charts import HEIGHT, LEFT, SERIES, TOP, WIDTH, framed, polyline

Place = tuple[float, float]
_STEPS = 60  # of a distribution: enough for the eye, few for the page
_TICKS = 6
_APART, _BELOW = 44, 15  # within which a second label would lie over the first


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` along an axis of length 1, by their logarithm if `log`."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def over(cls, values: Sequence[float], *, log: bool = False) -> Axis:
        """Return the axis that holds values, with a little room, however alike they are."""
        low, high = min(values), max(values)
        if log:
            return cls(low / 1.1, high * 1.1, log=True)
        room = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
        return cls(low - room, high + room)

    def at(self, value: float) -> float:
        """Return where a value stands, 0 to 1."""
        low, high, place = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return (place - low) / (high - low)

    @property
    def ticks(self) -> list[float]:
        """Round values within it, few enough to be read."""
        if self.log:
            found = [value for value in _rounds(self.low, self.high) if self.low <= value]
            return found if len(found) <= _TICKS else [v for v in found if f"{v:e}"[0] == "1"]
        span = self.high - self.low
        step = next(value for value in _rounds(span / 1e3, span) if span / value < _TICKS)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return [round(number * step, 12) for number in range(first, last + 1)]


def _rounds(low: float, high: float) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten up to `high`, from the one below `low`."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [value for p in powers for m in (1, 2, 5) if (value := float(f"{m}e{p}")) <= high]


@dataclass(frozen=True)
class Line:
    """A named line; `labels` stand beside its points, which then have markers, too."""

    name: str
    points: Sequence[Place]
    labels: Sequence[str] = ()


def plot(
    title: str, lines: Sequence[Line], across: str, upward: str, axes: tuple[Axis, Axis]
) -> str:
    """Draw lines, the first on top, at most SERIES of them.

    Args:
        title: for who hears the page.
        lines: in values of the axes.
        across, upward: what the axes are.
        axes: of x and y.
    """
    drawn = "".join(_line(line, n, axes) for n, line in reversed([*enumerate(lines[:SERIES])]))
    label = f"{title}: {upward} over {across} of {', '.join(line.name for line in lines)}"
    return framed(label, _grid(axes) + drawn, across, upward)


def _line(line: Line, style: int, axes: tuple[Axis, Axis]) -> str:
    points = [_place(point, axes) for point in line.points]
    labels = "".join(_labels(points, line.labels))
    return polyline(style, points, marked=points if line.labels else ()) + labels


def _labels(points: Sequence[Place], labels: Sequence[str]) -> Iterator[str]:
    """Yield labels beside their points, on the side of the middle, but none over another."""
    shown: list[Place] = []
    for (x, y), label in zip(points, labels, strict=False):
        if any(abs(x - left) < _APART and abs(y - above) < _BELOW for left, above in shown):
            continue
        shown.append((x, y))
        place, anchor = (x + 7, "start") if x < LEFT + WIDTH / 2 else (x - 7, "end")
        yield f'<text x="{place:g}" y="{y + 14:g}" text-anchor="{anchor}">{label}</text>'


def _place(point: Place, axes: tuple[Axis, Axis]) -> Place:
    x, y = (axis.at(value) for axis, value in zip(axes, point, strict=True))
    return round(LEFT + WIDTH * x, 1), round(TOP + HEIGHT * (1 - y), 1)


def _grid(axes: tuple[Axis, Axis]) -> str:
    right, bottom, (across, upward) = LEFT + WIDTH, TOP + HEIGHT, axes
    parts = [f'<path class="grid" d="M{LEFT} {TOP}V{bottom}M{LEFT} {bottom}H{right}"/>']
    for value in across.ticks:
        x, _ = _place((value, upward.low), axes)
        parts.append(f'<path class="grid" d="M{x:g} {TOP}V{bottom}"/>')
        parts.append(f'<text x="{x:g}" y="{bottom + 17}" text-anchor="middle">{value:g}</text>')
    for value in upward.ticks:
        _, y = _place((across.low, value), axes)
        parts.append(f'<path class="grid" d="M{LEFT} {y:g}H{right}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:g}" text-anchor="end">{value:g}</text>')
    return "".join(parts)


def distribution(values: Sequence[float]) -> list[Place]:
    """Return points of the cumulative distribution: a value, and the share that is no larger."""
    shares = np.unique(np.ceil(np.linspace(1 / len(values), 1, _STEPS) * len(values)) / len(values))
    places = np.round(shares * len(values)).astype(int) - 1
    ordered = np.sort(values)
    return [
        (float(ordered[place]), float(share)) for place, share in zip(places, shares, strict=True)
    ]
