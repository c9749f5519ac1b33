"""How far a model is ahead of a control on the same queries, and how sure that is.

Both answer the same queries, so the differences of their groups are what is resampled: what makes
a class hard for both cancels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from zscr.infer.evaluation.bootstrap import group_intervals
from zscr.infer.evaluation.figures import RANKS, read_figure

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


def own_metrics(report: Mapping[str, Any]) -> list[str]:
    """Return the metrics beside mAP whose means over queries are a task's own figures.

    Not ranks: who has more of these is not ahead.
    """
    read = map(read_figure, report["figures"])
    return [metric for metric, macro in read if not macro and metric not in (FIGURE, *RANKS)]
