"""The list of models laid out for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from zscr.infer.models.listed import Listed
from zscr.infer.models.measured import Measured
from zscr.printable import printable

CHOSEN, BEST = "*", "+"
_HEAD = ("", "model", "queries", "dim", "MiB", "licence", "languages")
_HERE = (*_HEAD, "metric")
_FIGURES = ("ms image", "1 thread", "ms text", "1 thread", "R@1", "R@5", "R@10")
_UNMEASURED = ("ms image", "ms text")  # of a list in which nothing is measured
_LEFT = 8  # columns of words, or of a figure with its name


def models_table(rows: Sequence[Listed]) -> str:
    """Lay a list of models out: those that are here, then those that can be had by name."""
    here = [row for row in rows if row.kind != "known"]
    known = [row for row in rows if row.kind == "known"]
    measured = any(row.measured for row in here)
    lines: list[str] = []
    if here:
        figures = _FIGURES if measured else _UNMEASURED
        cells = [(*_cells(row), _metric(row), *_figures(row, figures)) for row in _sound(here)]
        lines += _aligned([(*_HERE, *figures), *cells])
        lines += [f"  {row.name}: {row.fault}" for row in here if row.fault]
        lines += [*_legend(here), ""]
    lines += ["can be had by name, 'zscr export NAME':"]
    lines += _aligned([_HEAD, *map(_cells, known)])
    return "\n".join(map(printable, lines))


def _sound(rows: Sequence[Listed]) -> list[Listed]:
    return [row for row in rows if row.fault is None]


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Return lines whose columns are as wide as their longest cell: words left, figures right."""
    shown = [tuple(map(printable, row)) for row in rows]
    widths = [max(len(row[n]) for row in shown if n < len(row)) for n in range(len(shown[0]))]
    return ["  ".join(_placed(row, widths)).rstrip() for row in shown]


def _placed(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    for place, (cell, width) in enumerate(zip(row, widths, strict=False)):
        words = place < _LEFT and _HERE[place] not in ("dim", "MiB")
        yield cell.ljust(width) if words else cell.rjust(width)


def _cells(row: Listed) -> tuple[str, ...]:
    marks = (CHOSEN if row.chosen else "") + (BEST if row.best else "")
    mib = "" if row.mib is None else f"{row.mib:,.0f}" if row.mib >= 10 else f"{row.mib:.1f}"
    about = (", ".join(row.takes), str(row.dim), mib, row.licence or "-", _languages(row))
    return (marks, row.name, *about)


def _metric(row: Listed) -> str:
    return f"{row.metric.name} {row.metric.value:.3f}" if row.metric else "-"


def _languages(row: Listed) -> str:
    if not row.languages:
        return "-"
    return ", ".join(row.languages) if len(row.languages) <= 3 else f"{len(row.languages)}"


def _figures(row: Listed, names: Sequence[str]) -> tuple[str, ...]:
    """Return what was measured of a model, a dash for what was not."""
    if (measured := row.measured) is None:
        return ("-",) * len(names)
    one, most, recall = measured.speeds[-1], measured.speeds[0], measured.recall
    times = (most.image_ms, one.image_ms, most.text_ms, one.text_ms)
    found = (recall.at_1, recall.at_5, recall.at_10) if recall else (None,) * 3
    shown = ["-" if ms is None else f"{ms:.1f}" for ms in times]
    return (*shown, *("-" if at is None else f"{at:.3f}" for at in found))


def _legend(rows: Sequence[Listed]) -> Iterator[str]:
    """Yield what the marks mean, and on what was measured."""
    if any(row.chosen for row in rows):
        yield f"{CHOSEN} is what 'zscr find' uses"
    if any(row.best for row in rows):
        yield (
            f"{BEST} no other is at least as good in ms an image, ms a text, MiB and the figure, "
            f"and better in one: of models measured on one machine that take the same queries and "
            f"have R@10, or else the metric, of the same collection"
        )
    if any(row.metric for row in rows):
        yield "metric is what selected the weights, on validation data, as the export recorded it"
    if not all(row.measured for row in _sound(rows)):
        yield "- was not measured on this machine: 'zscr models --measure COLLECTION'"
    alike: dict[str, list[str]] = {}
    for row in rows:
        if row.measured:
            alike.setdefault(_measured_on(row.measured), []).append(row.name)
    yield from (f"{', '.join(names)}: {how}" for how, names in alike.items())


def _measured_on(measured: Measured) -> str:
    """Return when and on what a model was measured, the same for those of one measurement."""
    asked = ""
    if recall := measured.recall:
        asked = (
            f"; R@k of {recall.queries:,} texts of {recall.collection} over {recall.gallery:,} "
            f"images"
        )
    most = measured.speeds[0].threads
    return (
        f"measured {measured.when[:10]} on {measured.machine} ({most} threads), {measured.ran}, "
        f"{measured.images}{asked}"
    )
