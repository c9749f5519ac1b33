"""How far a model is ahead of a control on the same queries, and how sure that is.

Both answer the same queries, so the differences of their groups are what is resampled: what makes
a class hard for both cancels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zscr.infer.evaluation.bootstrap import group_intervals
from zscr.infer.evaluation.controls.control import BOUND, CHANCE
from zscr.infer.evaluation.figures import RANKS, read_figure, summary_names

FIGURE = "mAP"


def paired_difference(
    report: Mapping[str, Any], control: Mapping[str, Any], metric: str = FIGURE
) -> dict[str, Any]:
    """Return the mean difference of a metric over queries, with its 95 % interval over groups.

    Args:
        report, control: figures as JSON holds them, with `per_group` of the same groups.
        metric: one of each group's, such as `mAP` or `R@10`.

    Returns:
        `mean`; `interval`: its bounds; `ahead`: the groups in which the report is ahead, of
        `groups`.
    """
    theirs = {row["group"]: row["metrics"][metric] for row in control["per_group"]}
    rows = report["per_group"]
    assert {row["group"] for row in rows} == theirs.keys(), "judged on other groups"
    gains = np.array([row["metrics"][metric] - theirs[row["group"]] for row in rows])
    queries = np.array([row["queries"] for row in rows], np.float64)
    [interval] = group_intervals(gains[:, None], queries).tolist()
    mean = float(gains @ queries / queries.sum())
    ahead = int((gains > 0).sum())
    return {"mean": mean, "interval": interval, "ahead": ahead, "groups": len(rows)}


def with_differences(
    report: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]
) -> dict[str, Mapping[str, Any]]:
    """Add how far a report is ahead of each of others that answers the same queries.

    Args:
        report: figures as JSON holds them; others: by name, controls or other models.

    Returns:
        Name -> its figures with `difference` of mAP, and `differences` of the task's own figures
        beside it; those that do not answer the same queries as they are.
    """
    own = own_metrics(report)
    return {
        name: {
            **figures,
            "difference": paired_difference(report, figures),
            "differences": {one: paired_difference(report, figures, one) for one in own},
        }
        if "per_group" in figures
        else figures
        for name, figures in others.items()
    }


@dataclass(frozen=True)
class Lead:
    """How far a report is ahead of its strongest control.

    Attributes:
        control: its name; among: the number of controls that it is the strongest of.
        metric: what both are compared by: the task's headline, or mAP.
        ours, theirs: means over queries; difference: see `paired_difference`.
    """

    control: str
    among: int
    metric: str
    ours: float
    theirs: float
    difference: Mapping[str, Any]

    @property
    def words(self) -> str:
        """Say whether it is ahead of it, and by how much."""
        low, high = self.difference["interval"]
        where = "ahead of" if low > 0 else "behind" if high < 0 else "not surely ahead of"
        which = f"strongest of {self.among} controls" if self.among > 1 else "only control"
        return (
            f"{where} the {which}, {self.control}: {self.metric} {self.ours:.3f} beside "
            f"{self.theirs:.3f}, {self.difference['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
        )


def lead(report: Mapping[str, Any]) -> Lead | None:
    """Return how far a report is ahead of the control that does best on the very same queries.

    That is harder to beat than one that was chosen beforehand. Chance, and what asks with the
    images that it seeks, do not compete.
    """
    headline = read_figure(next(iter(report["figures"]), FIGURE))[0]
    metric = headline if headline in own_metrics(report) else FIGURE
    name_of, _ = summary_names(metric)
    rivals = {
        name: control["metrics"][name_of]
        for name, control in report.get("controls", {}).items()
        if "difference" in control and name not in (BOUND, CHANCE)
    }
    if not rivals:
        return None
    best = max(rivals, key=rivals.__getitem__)
    control, ours = report["controls"][best], report["metrics"][name_of]
    difference = control["difference"] if metric == FIGURE else control["differences"][metric]
    return Lead(best, len(rivals), metric, ours, rivals[best], difference)


def own_metrics(report: Mapping[str, Any]) -> list[str]:
    """Return the metrics beside mAP whose means over queries are a task's own figures.

    Not ranks: who has more of these is not ahead.
    """
    read = map(read_figure, report["figures"])
    return [metric for metric, macro in read if not macro and metric not in (FIGURE, *RANKS)]
