"""Means over tasks, which protocols publish that average over directions or categories."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zscr.data.tasks import lacking_words
from zscr.infer.evaluation.naming import Report, queries_words
from zscr.printable import printable

_CEILING = " ceiling"
_NAME = 38  # least width of the names' column


def mean_report(reports: Sequence[Report]) -> dict[str, Any]:
    """Return the mean of each figure over reports of several tasks, or over such means.

    Each counts alike, however many queries it has. Figures and controls are those that all of them
    have; a mean of means is how FreeDom averages over the targets of a source, then over sources.
    Figures of different protocols, such as FashionIQ's two, are not to be compared: of these there
    is no mean.

    Args:
        reports: as `zscr evaluate` makes them, one or more.

    Returns:
        `figures`, `metrics` and `controls`, empty where there is no mean, and `protocols`.
    """
    protocols = [*dict.fromkeys(one for report in reports for one in _protocols(report))]
    mean: dict[str, Any] = {"protocols": protocols, "figures": [], "metrics": {}, "controls": {}}
    if len(protocols) > 1:
        return mean
    found = [report["metrics"] for report in reports]
    mean["figures"] = _shared([report["figures"] for report in reports])
    mean["metrics"] = _mean(found)
    controls = [report.get("controls", {}) for report in reports]
    judged = [{n: one for n, one in c.items() if "metrics" in one} for c in controls]
    names = _shared([[*one] for one in judged])
    mean["controls"] = {
        name: {"metrics": _mean([one[name]["metrics"] for one in judged])} for name in names
    }
    return mean


def _protocols(report: Report) -> Sequence[str]:
    """Return the protocols of a task, whatever is missing of it, or of the tasks of a mean."""
    if "protocols" in report:
        found: Sequence[str] = report["protocols"]
        return found
    return [report["protocol"].removesuffix(lacking_words(report["missing"]))]


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
    tasks: Mapping[str, Report] = report["tasks"]
    figures = [*dict.fromkeys(name for task in tasks.values() for name in task["figures"])]
    means = {f"mean of {name}": mean for name, mean in report["means"].items()}
    means |= {"mean of these means": report} if len(means) > 1 else {}
    labels = (*tasks, *means, *(f"  {one}" for mean in means.values() for one in mean["controls"]))
    width = max(_NAME, *map(len, labels))
    lines = [f"{report['collection']}, {report['split']}, {len(tasks)} tasks"]
    lines += [*_followed(tasks), report["origin"], "", _cells("", figures, width)]
    for name, task in tasks.items():
        missing = f", {task['missing']:,} images and queries missing" if task["missing"] else ""
        lines.append(
            f"{_row(name, task['metrics'], figures, width)}  {queries_words(task)}{missing}"
        )
    lines.append("")
    for name, mean in means.items():
        lines += _mean_rows(name, mean, figures, width)
    return "\n".join(printable(line.rstrip()) for line in lines)


def _followed(tasks: Mapping[str, Report]) -> list[str]:
    """Say which protocol the tasks follow, or which of them follow which."""
    named: dict[str, list[str]] = {}
    for name, task in tasks.items():
        named.setdefault(_protocols(task)[0], []).append(name)
    if len(named) == 1:
        return [*named]
    return [f"{', '.join(names)}: {protocol}" for protocol, names in named.items()]


def _mean_rows(name: str, mean: Report, figures: Sequence[str], width: int) -> Iterator[str]:
    if not mean["figures"]:
        several = len(mean["protocols"]) > 1
        why = "different protocols" if several else "no figure in common"
        yield f"{name:{width}}  none: {why}"
        return
    yield _row(name, mean["metrics"], figures, width)
    for control, found in mean["controls"].items():
        yield _row(f"  {control}", found["metrics"], figures, width)


def _row(name: str, metrics: Mapping[str, float], figures: Sequence[str], width: int) -> str:
    cells = [f"{metrics[key]:.3f}" if key in metrics else "-" for key in figures]
    return _cells(name, cells, width)


def _cells(name: str, cells: Sequence[str], width: int) -> str:
    return f"{name:{width}}" + "".join(f"{cell:>16}" for cell in cells)
