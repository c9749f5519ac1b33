"""Every retrieval figure of one model on one task, with its ceilings and chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.data.relevance import Relevance
from zscr.errors import InputError
from zscr.infer.evaluation import metrics
from zscr.infer.evaluation.bootstrap import group_intervals
from zscr.infer.evaluation.figures import (
    CURVE,
    MEDIAN,
    PER_QUERY,
    over_queries,
    read_figure,
    scored_values,
    summary_names,
)
from zscr.infer.evaluation.graded import Counts, count_relevant
from zscr.infer.evaluation.metrics import Values
from zscr.infer.evaluation.ranking import Cosines, Embeddings, Scorer

_CEILING = " ceiling"


@dataclass(frozen=True)
class GroupFigures:
    """One group of queries, such as a class: every metric, and Prec@k ceilings.

    Attributes:
        group: its name; queries: their number.
        relevant: mean number of relevant items a query.
        metrics: metric -> mean over the group's queries.
    """

    group: str
    queries: int
    relevant: float
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class RetrievalReport:
    """The figures of one evaluation; `DEFINITIONS` says what each name means.

    Attributes:
        metrics: name -> value: `Prec@{1,10,50} macro|micro|ceiling`, and as means over queries
            (`… macro`: over groups) `Recall@{1,10,50}`, `AP@50 hits`, `AP@50 relevant`,
            `mAP`, `Top-1` and the task's own.
        figures: the task's own, its headline first, by their names in `metrics`.
        chance: what a random ranking's Prec@k is expected to be, for any k (micro).
        queries: number of queries that the figures rest on.
        gallery: number of gallery items.
        groups: number of distinct groups among those queries.
        excluded: queries left out because the gallery holds nothing relevant to them.
        zeros: queries that count 0 because the gallery holds nothing relevant to them.
        curve: interpolated precision at recall 0, 0.1, …, 1, mean over queries.
        per_group: each group's figures, in the order of the queries.
        sd: standard deviation of each metric over runs, where the report is of several.
    """

    metrics: Mapping[str, float]
    figures: tuple[str, ...]
    chance: float
    queries: int
    gallery: int
    groups: int
    excluded: int
    curve: tuple[float, ...]
    per_group: tuple[GroupFigures, ...]
    zeros: int = 0
    sd: Mapping[str, float] | None = None

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % bootstrap intervals over groups, of every macro and micro figure."""
        names = [name for name in self.per_group[0].metrics if not name.endswith(_CEILING)]
        means = np.array([[row.metrics[name] for name in names] for row in self.per_group])
        queries = np.array([row.queries for row in self.per_group], np.float64)
        intervals: dict[str, tuple[float, float]] = {}
        for weights, side in ((queries, 0), (np.ones_like(queries), 1)):
            bounds = group_intervals(means, weights).tolist()
            for name, (low, high) in zip(names, bounds, strict=True):
                intervals[summary_names(name)[side]] = low, high
        return intervals

    def to_json(self) -> dict[str, Any]:
        """Return the report, with its intervals, as a dict that JSON can hold."""
        content = asdict(self)
        if self.sd is None:
            del content["sd"]
        return content | {"intervals": {name: list(b) for name, b in self.intervals.items()}}


def evaluate_retrieval(
    queries: Embeddings,
    gallery: Embeddings,
    relevance: Relevance,
    groups: Sequence[str],
    *,
    figures: Sequence[str] = (),
    exclude_unanswerable: bool = False,
    zeros: bool = False,
    block: int | None = None,
) -> RetrievalReport:
    """Rank the gallery for each query by the cosines of unit vectors (Q, D) and (G, D), and grade.

    The other arguments are those of `evaluate_scores`, whose errors it raises.

    Raises:
        InputError: the embeddings do not fit together, or a vector is not of unit norm.
    """
    return evaluate_scores(
        Cosines(queries, gallery),
        relevance,
        groups,
        figures=figures,
        exclude_unanswerable=exclude_unanswerable,
        zeros=zeros,
        block=block,
    )


def evaluate_scores(
    scorer: Scorer,
    relevance: Relevance,
    groups: Sequence[str],
    *,
    figures: Sequence[str] = (),
    exclude_unanswerable: bool = False,
    zeros: bool = False,
    block: int | None = None,
) -> RetrievalReport:
    """Rank the gallery for each query by its scores, and grade the rankings.

    Args:
        scorer: what ranks G items for each of Q queries.
        relevance: of these Q queries and G items; an item is relevant if its grade is above 0.
        groups: (Q,) what macro figures average over and intervals resample, such as classes.
        figures: the task's own figures, reported on top of those of every task.
        exclude_unanswerable: leave out, and count, queries without any relevant item.
        zeros: keep them, with 0 for every figure, and count them.
        block: queries ranked at a time; changes the memory used and nothing else.

    Raises:
        ConfigError: one of `figures` does not exist.
        InputError: queries and groups do not fit together, or the gallery holds nothing relevant
            to a query and neither `exclude_unanswerable` nor `zeros` is true.
    """
    queries, gallery = scorer.shape
    _check_groups(queries, groups)
    own = [read_figure(name) for name in figures]
    names = tuple(dict.fromkeys((*PER_QUERY, *(metric for metric, _ in own))))
    counts = count_relevant(relevance, queries, gallery, block)
    kept = np.ones(queries, np.bool_)
    if not zeros:
        kept = _answerable(counts, groups, exclude_unanswerable)
    values = scored_values(
        scorer, relevance, names=(*names, CURVE), kept=kept, zeros=zeros, block=block
    )
    curve = values.pop(CURVE).mean(axis=0)
    counts, groups = counts.of(kept), [*compress(groups, kept)]
    averaged = {name: of_queries for name, of_queries in values.items() if name != MEDIAN}
    per_group = _per_group(averaged | _ceilings(names, counts), counts, groups)
    return RetrievalReport(
        metrics=_summary(values, _ceilings(names, counts), groups),
        figures=tuple(summary_names(metric)[macro] for metric, macro in own),
        chance=float((counts.relevant / counts.sizes).mean()),
        queries=len(groups),
        gallery=gallery,
        groups=len(per_group),
        excluded=queries - len(groups),
        curve=tuple(curve.tolist()),
        per_group=per_group,
        zeros=int((counts.relevant == 0).sum()),
    )


def _check_groups(queries: int, groups: Sequence[str]) -> None:
    if len(groups) != queries:
        raise InputError(
            f"there are {queries} query embeddings but {len(groups)} groups of queries; "
            f"give each query its group"
        )


def _answerable(counts: Counts, groups: Sequence[str], exclude: bool) -> npt.NDArray[np.bool_]:
    """Return (Q,) which queries have a relevant item."""
    kept = counts.relevant > 0
    lost = sorted(set(compress(groups, ~kept)))
    if lost and not (exclude and kept.any()):
        raise InputError(
            f"{(~kept).sum()} of {len(kept)} queries have no relevant item in the gallery, those "
            f"of {len(lost)} groups (the first is '{lost[0]}'); add items to the gallery or "
            f"exclude these queries"
        )
    return kept


def _ceilings(names: Sequence[str], counts: Counts) -> dict[str, Values]:
    """Return each query's best possible Prec@k, of every k that is reported."""
    precisions = [name for name in names if name.startswith("Prec@")]
    return {
        name + _CEILING: metrics.precision_ceiling(
            counts.relevant, int(name.removeprefix("Prec@")), counts.sizes
        )
        for name in precisions
    }


def _per_group(
    values: Mapping[str, Values], counts: Counts, groups: Sequence[str]
) -> tuple[GroupFigures, ...]:
    relevant = metrics.by_group(counts.relevant.astype(np.float64), groups)
    means = {name: metrics.by_group(per_query, groups) for name, per_query in values.items()}
    return tuple(
        GroupFigures(group, queries, relevant[group], {n: mean[group] for n, mean in means.items()})
        for group, queries in Counter(groups).items()  # in the order of the queries
    )


def _summary(
    values: Mapping[str, Values], ceilings: Mapping[str, Values], groups: Sequence[str]
) -> dict[str, float]:
    summary = {}
    for name, per_query in values.items():
        plain, macro = summary_names(name)
        summary[plain] = over_queries(name, per_query)
        if name != MEDIAN:
            summary[macro] = metrics.macro(per_query, groups)
    return summary | {name: metrics.macro(best, groups) for name, best in ceilings.items()}
