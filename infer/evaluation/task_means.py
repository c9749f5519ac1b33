"""Means over tasks, which protocols publish that average over directions or categories."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zscr.infer.evaluation.naming import Report, queries_words
from zscr.printable import printable

_CEILING = " ceiling"


def mean_report(reports: Sequence[Report]) -> dict[str, Any]:
    """Return the mean of each figure over reports of several tasks, or over such means.

    Each counts alike, however many queries it has. Figures and controls are those that all of them
    have; a mean of means is how FreeDom averages over the targets of a source, then over sources.

    Args:
        reports: as `zscr evaluate` makes them, one or more.
    """
    found = [report["metrics"] for report in reports]
    mean: dict[str, Any] = {"figures": _shared([report["figures"] for report in reports])}
    mean["metrics"] = _mean(found)
    controls = [report.get("controls", {}) for report in reports]
    judged = [{n: one for n, one in c.items() if "metrics" in one} for c in controls]
    names = _shared([[*one] for one in judged])
    mean["controls"] = {
        name: {"metrics": _mean([one[name]["metrics"] for one in judged])} for name in names
    }
    return mean


def _mean(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = [name for name in _shared([[*one] for one in metrics]) if not name.endswith(_CEILING)]
    return {name: statistics.fmean(one[name] for one in metrics) for name in names}


def _shared(names: Sequence[Sequence[str]]) -> list[str]:
    """Return what is in all of them, in the order of the first."""
    return [name for name in names[0] if all(name in others for others in names)]


def means_table(report: Report) -> str:
    """Lay out the own figures of several tasks, a task a line, and what they are on average.

    Args:
        report: see `evaluate_tasks`.
    """
    figures: Sequence[str] = report["figures"]
    lines = [f"{report['collection']}, {report['split']}, {len(report['tasks'])} tasks"]
    lines += [report["origin"], "", _cells("", figures)]
    for name, task in report["tasks"].items():
        lines.append(f"{_row(name, task['metrics'], figures)}  {queries_words(task)}")
    lines.append("")
    for name, mean in report["means"].items():
        lines += _mean_rows(f"mean of {name}", mean, figures)
    if len(report["means"]) > 1:
        lines += _mean_rows("mean of these means", report, figures)
    return "\n".join(printable(line.rstrip()) for line in lines)


def _mean_rows(name: str, mean: Report, figures: Sequence[str]) -> Iterator[str]:
    yield _row(name, mean["metrics"], figures)
    for control, found in mean["controls"].items():
        yield _row(f"  {control}", found["metrics"], figures)


def _row(name: str, metrics: Mapping[str, float], figures: Sequence[str]) -> str:
    return _cells(name, [f"{metrics[key]:.3f}" if key in metrics else "-" for key in figures])


def _cells(name: str, cells: Sequence[str]) -> str:
    return f"{name:38}" + "".join(f"{cell:>16}" for cell in cells)
