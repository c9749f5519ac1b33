"""Which figures are reported, what each means, and their value for every query."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from zscr.data.relevance import Relevance
from zscr.errors import ConfigError
from zscr.infer.evaluation import average_precision as ap
from zscr.infer.evaluation import metrics
from zscr.infer.evaluation.graded import compacted
from zscr.infer.evaluation.metrics import Hits, Sizes, Values
from zscr.infer.evaluation.ranking import Cosines, Embeddings, Scorer, ranked_parts

KS = (1, 10, 50)
CURVE = "precision at recall"
FIRST = "rank of the first relevant item"
MEAN, MEDIAN = "mean rank", "median rank"  # the latter over queries: of groups there is none
RANKS = (MEAN, MEDIAN)  # of which less is better
TRAPEZOID = "mAP trapezoid"
INTERPOLATED = "mAP interpolated"
PER_QUERY = (  # what every report holds; a task's own figures come on top
    *(f"Prec@{k}" for k in KS),
    *(f"Recall@{k}" for k in KS),
    "AP@50 hits",
    "AP@50 relevant",
    "mAP",
    "Top-1",
)
DEFINITIONS: Mapping[str, str] = {
    "(plain) or micro": "mean over queries",
    "macro": "mean over groups (the queries' classes, where the task has classes) of the mean "
    "over the group's queries",
    "ceiling": "best macro Prec@k that the numbers of relevant items allow",
    "Prec@k": "relevant items in the first k / min(k, gallery)",
    "P@k": "relevant items in the first k / min(k, relevant items)",
    "Recall@k": "relevant items in the first k / relevant items",
    "R@k": "share of queries with any relevant item in the first k",
    "AP@k hits": "precision summed at the relevant ranks of the first k / relevant found there",
    "AP@k relevant": "the same sum / min(k, relevant items)",
    "mAP@k": "AP@k relevant, as CIRCO calls it, and sketch retrieval (mAP@200)",
    MEAN: "mean over queries of the rank of the first relevant item, from 1",
    "mAP": "average precision over the whole ranking / relevant items",
    "mAP trapezoid": "area below the precision-recall curve by trapezoids / (relevant items + "
    "1e-5), as domain conversion and i-CIR are published; not to be compared with mAP",
    INTERPOLATED: "the same mean, with each precision replaced by the best one there or further "
    "down (PASCAL VOC), as ZSE-SBIR and SAKE publish it",
    "mAP@k interpolated": "the same of the first k alone / min(k, relevant items)",
    "Top-1": "share of queries whose first item is relevant",
    "text to image": "each caption ranks the images, of which its own is relevant",
    "image to text": "each image ranks all captions, of which any of its own is relevant; R@k asks "
    "whether one stands in the first k",
    "median rank": "median over queries of the rank of the first relevant item, rounded down",
    "reversed": "the task's own figures where its images ask and its queries are ranked, of a task "
    "whose images are asked for by one query each",
    "rsum": "R@1 + R@5 + R@10 of both directions, in per cent",
    "chance": "expected Prec@k of a random ranking: mean over queries of relevant / gallery",
    "gallery": "of a query: the items of the task's gallery that its ranking does not leave out",
    "ties": "equal scores keep the gallery's order",
    "intervals": "95 % percentile bootstrap over groups, 2000 draws, fixed seed",
    "curve": "11-point interpolated precision at recall 0, 0.1, …, 1, mean over queries (TREC)",
    "per_group": "means over a group's queries",
    "sd": "sample standard deviation over runs",
    "generalised": "the gallery holds the seen classes' images as well, which the model was "
    "trained on; so seen classes' queries and images are training data",
    "harmonic": "2su / (s + u) of the generalised figures of seen and unseen classes' queries",
}

_Metric = Callable[[Hits, Sizes], Values]
_K = re.compile(r"@([1-9][0-9]*)")
_WHOLE: Mapping[str, _Metric] = {
    "mAP": lambda hits, _: ap.average_precision(hits),
    TRAPEZOID: lambda hits, _: ap.trapezoid_precision(hits),
    INTERPOLATED: lambda hits, _: ap.interpolated_average_precision(hits),
    "Top-1": lambda hits, _: metrics.top_1(hits),
    MEAN: lambda hits, _: metrics.first_rank(hits),
    MEDIAN: lambda hits, _: metrics.first_rank(hits),
    FIRST: lambda hits, _: metrics.first_rank(hits),
    CURVE: lambda hits, _: ap.interpolated_precision(hits),
}
_AT_K: Mapping[str, Callable[..., Values]] = {
    "Prec@k": lambda hits, sizes, k: metrics.precision_at_k(hits, k, sizes),
    "P@k": lambda hits, _, k: metrics.precision_of_relevant_at_k(hits, k),
    "Recall@k": lambda hits, _, k: metrics.recall_at_k(hits, k),
    "R@k": lambda hits, _, k: metrics.hit_at_k(hits, k),
    "AP@k hits": lambda hits, _, k: ap.average_precision_at_k(hits, k, "hits"),
    "AP@k relevant": lambda hits, _, k: ap.average_precision_at_k(hits, k, "relevant"),
    "mAP@k": lambda hits, _, k: ap.average_precision_at_k(hits, k, "relevant"),
    "mAP@k interpolated": lambda hits, _, k: ap.interpolated_average_precision(hits, k),
}


def is_figure(name: str) -> bool:
    """Say whether a report can hold a figure of that name: `mAP`, `Prec@7 macro`, `Recall@3`."""
    metric = _metric_of(name)
    return (
        metric not in (CURVE, FIRST)
        and name != f"{MEDIAN} macro"
        and _function(metric) is not None
        and name in summary_names(metric)
    )


def summary_names(metric: str) -> tuple[str, str]:
    """Return what a metric's mean over queries, and over groups, is called."""
    return (f"{metric} micro" if metric.startswith("Prec@") else metric), f"{metric} macro"


def over_queries(metric: str, values: Values) -> float:
    """Return what a report says of a metric's (Q,) values: their mean, or of ranks the median."""
    return metrics.median_rank(values) if metric == MEDIAN else metrics.micro(values)


def read_figure(name: str) -> tuple[str, bool]:
    """Return the metric that a figure is a mean of, and whether the mean is over groups.

    `Prec@5 macro` is `("Prec@5", True)`. A protocol's plain `Prec@5` is the mean over queries.

    Raises:
        ConfigError: there is no such figure.
    """
    metric = _metric_of(name)
    macro = summary_names(metric)[1]
    if not (is_figure(name) or (name == metric and is_figure(macro))):
        raise _unknown(name)
    return metric, name == macro


def _metric_of(name: str) -> str:
    return name.removesuffix(" macro").removesuffix(" micro")


def _function(metric: str) -> _Metric | None:
    """Return the function of a metric by its name, of any k; None if there is none."""
    found = _K.search(metric)
    if found is None:
        return _WHOLE.get(metric)
    k = int(found[1])
    family = _AT_K.get(f"{metric[: found.start(1)]}k{metric[found.end(1) :]}")
    return None if family is None else partial(family, k=k)


def _unknown(name: str) -> ConfigError:
    return ConfigError(
        f"'{name}' is no figure; use mAP, Top-1, Prec@k, P@k, Recall@k, R@k, mAP@k, AP@k hits, "
        f"AP@k relevant, mAP@k interpolated, {INTERPOLATED}, {TRAPEZOID}, {MEAN} or {MEDIAN}, with "
        f"a number k from 1, such as Recall@10 or Prec@5 macro"
    )


def query_values(
    queries: Embeddings,
    gallery: Embeddings,
    relevance: Relevance,
    *,
    names: Iterable[str] = (*PER_QUERY, CURVE),
    kept: npt.NDArray[np.bool_] | None = None,
    block: int | None = None,
) -> dict[str, Values]:
    """Return the metrics of a ranking by the cosines of unit vectors (Q, D) and (G, D).

    See `scored_values`, which raises its errors but one, InputError for embeddings that do not fit.
    """
    scorer = Cosines(queries, gallery)
    return scored_values(scorer, relevance, names=names, kept=kept, block=block)


def scored_values(
    scorer: Scorer,
    relevance: Relevance,
    *,
    names: Iterable[str] = (*PER_QUERY, CURVE),
    kept: npt.NDArray[np.bool_] | None = None,
    zeros: bool = False,
    block: int | None = None,
) -> dict[str, Values]:
    """Return each named metric's (Q,) values, and the curve's (Q, 11).

    Args:
        scorer: what ranks G items for each of Q queries.
        relevance: of these Q queries and G items; an item is relevant if its grade is above 0.
        names: metrics, `mAP`, `Prec@5` and so on, and `CURVE`.
        kept: (Q,) which queries to evaluate; by default all. There are values of these only.
        zeros: give queries without any relevant item the value 0.
        block: queries ranked at a time; changes the memory used and nothing else.

    Raises:
        ConfigError: a name is no metric's.
        InputError: a query has no relevant item, and `zeros` is false.
    """
    functions: list[tuple[str, _Metric, list[Values]]] = []
    for name in names:
        function = _function(name)
        if function is None:
            raise _unknown(name)
        functions.append((name, function, []))
    for rows, order in ranked_parts(scorer, relevance, block=block):
        grades = relevance.grades(rows, order)
        if kept is not None:
            grades = grades[kept[rows]]
        if not len(grades):
            continue
        hits, sizes = compacted(grades)
        nothing = ~hits.any(axis=1)
        if zeros:
            hits[nothing, 0] = True  # any value will do, as it becomes 0
        for _, function, part in functions:
            values = function(hits, sizes)
            if zeros:
                values[nothing] = 0
            part.append(values)
    return {name: np.concatenate(part) for name, _, part in functions}
