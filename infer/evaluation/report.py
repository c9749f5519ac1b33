"""Every retrieval figure of one model on one test set, with its ceilings and chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from zscr.errors import InputError
from zscr.infer.evaluation import metrics
from zscr.infer.evaluation.bootstrap import class_intervals
from zscr.infer.evaluation.figures import CURVE, KS, PER_QUERY, query_values, summary_names
from zscr.infer.evaluation.metrics import Values
from zscr.infer.evaluation.ranking import Embeddings, check_embeddings


@dataclass(frozen=True)
class ClassFigures:
    """One class: its queries, its images in the gallery, every metric, and Prec@k ceilings."""

    class_id: str
    queries: int
    images: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class RetrievalReport:
    """The figures of one evaluation; `DEFINITIONS` says what each name means.

    Attributes:
        metrics: name -> value: `Prec@{1,10,50} macro|micro|ceiling`, and as means over queries
            (`… macro`: over classes) `Recall@{1,10,50}`, `AP@50 hits`, `AP@50 relevant`,
            `mAP` and `Top-1`.
        chance: what a random ranking's Prec@k is expected to be, for any k (micro).
        queries: number of queries that the figures rest on.
        gallery: number of gallery items.
        classes: number of distinct classes among those queries.
        excluded: queries left out because the gallery holds nothing of their class.
        curve: interpolated precision at recall 0, 0.1, …, 1, mean over queries.
        per_class: each class's figures, in the order of the queries.
        sd: standard deviation of each metric over runs, where the report is of several.
    """

    metrics: Mapping[str, float]
    chance: float
    queries: int
    gallery: int
    classes: int
    excluded: int
    curve: tuple[float, ...]
    per_class: tuple[ClassFigures, ...]
    sd: Mapping[str, float] | None = None

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % bootstrap intervals over classes, of every macro and micro figure."""
        means = np.array([[row.metrics[name] for name in PER_QUERY] for row in self.per_class])
        queries = np.array([row.queries for row in self.per_class], np.float64)
        intervals: dict[str, tuple[float, float]] = {}
        for weights, side in ((queries, 0), (np.ones_like(queries), 1)):
            bounds = class_intervals(means, weights).tolist()
            for name, (low, high) in zip(PER_QUERY, bounds, strict=True):
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
    *,
    query_classes: Sequence[str],
    gallery_classes: Sequence[str],
    exclude_unanswerable: bool = False,
    block: int | None = None,
) -> RetrievalReport:
    """Rank the gallery for each query by cosine; an item is relevant if it has the query's class.

    Args:
        queries: (Q, D) unit vectors.
        gallery: (G, D) unit vectors.
        query_classes: the class id of each query.
        gallery_classes: the class id of each gallery item.
        exclude_unanswerable: leave out, and count, queries whose class the gallery lacks.
        block: queries ranked at a time; changes the memory used and nothing else.

    Raises:
        InputError: embeddings and classes do not fit together, a vector is not of unit norm, or
            the gallery lacks a query's class and `exclude_unanswerable` is false.
    """
    check_embeddings(queries, gallery)
    _check_classes(len(queries), query_classes, "query")
    _check_classes(len(gallery), gallery_classes, "gallery")
    kept = _answerable(query_classes, gallery_classes, exclude_unanswerable)
    classes = [query_classes[row] for row in kept]
    values = query_values(
        queries[kept],
        gallery,
        query_classes=classes,
        gallery_classes=gallery_classes,
        block=block,
    )
    curve = values.pop(CURVE).mean(axis=0)
    per_class = _per_class(values, classes, Counter(gallery_classes), len(gallery))
    relevant = {row.class_id: row.images for row in per_class}
    return RetrievalReport(
        metrics=_summary(values, classes) | _ceilings(per_class),
        chance=sum(relevant[class_id] for class_id in classes) / len(kept) / len(gallery),
        queries=len(kept),
        gallery=len(gallery),
        classes=len(per_class),
        excluded=len(queries) - len(kept),
        curve=tuple(curve.tolist()),
        per_class=per_class,
    )


def _check_classes(rows: int, classes: Sequence[str], side: str) -> None:
    if len(classes) != rows:
        raise InputError(
            f"there are {rows} {side} embeddings but {len(classes)} {side} classes; "
            f"give one class an embedding"
        )


def _answerable(
    query_classes: Sequence[str], gallery_classes: Sequence[str], exclude: bool
) -> list[int]:
    """Return the rows of the queries whose class the gallery holds."""
    held = set(gallery_classes)
    kept = [row for row, class_id in enumerate(query_classes) if class_id in held]
    lost = sorted(set(query_classes) - held)
    if lost and not (exclude and kept):
        raise InputError(
            f"{len(query_classes) - len(kept)} of {len(query_classes)} queries have no relevant "
            f"item, as the gallery holds nothing of {len(lost)} classes (the first is "
            f"'{lost[0]}'); add them to the gallery or exclude these queries"
        )
    return kept


def _per_class(
    values: Mapping[str, Values], classes: Sequence[str], sizes: Counter[str], gallery: int
) -> tuple[ClassFigures, ...]:
    queries = Counter(classes)  # in the order of the queries
    means = {name: metrics.class_means(per_query, classes) for name, per_query in values.items()}
    relevant = np.array([sizes[class_id] for class_id in queries])
    ceilings = {k: metrics.precision_ceiling(relevant, k, gallery).tolist() for k in KS}
    rows = []
    for place, (class_id, count) in enumerate(queries.items()):
        figures = {name: mean[class_id] for name, mean in means.items()}
        figures |= {f"Prec@{k} ceiling": ceilings[k][place] for k in KS}
        rows.append(ClassFigures(class_id, count, sizes[class_id], figures))
    return tuple(rows)


def _summary(values: Mapping[str, Values], classes: Sequence[str]) -> dict[str, float]:
    summary = {}
    for name, per_query in values.items():
        plain, macro = summary_names(name)
        summary[plain] = metrics.micro(per_query)
        summary[macro] = metrics.macro(per_query, classes)
    return summary


def _ceilings(per_class: Iterable[ClassFigures]) -> dict[str, float]:
    names = [f"Prec@{k} ceiling" for k in KS]
    return {name: float(np.mean([row.metrics[name] for row in per_class])) for name in names}
