"""Every retrieval figure of one model on one test set, with its ceilings and chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError
from zscr.infer import metrics
from zscr.infer.metrics import Hits, Values
from zscr.infer.ranking import Embeddings, check_embeddings, ranked_blocks

Counts = npt.NDArray[np.int64]

KS = (1, 10, 50)

PER_QUERY: Mapping[str, Callable[[Hits], Values]] = {
    **{f"Prec@{k}": partial(metrics.precision_at_k, k=k) for k in KS},
    **{f"Recall@{k}": partial(metrics.recall_at_k, k=k) for k in KS},
    "AP@50 hits": partial(metrics.average_precision_at_k, k=50, norm="hits"),
    "AP@50 relevant": partial(metrics.average_precision_at_k, k=50, norm="relevant"),
    "mAP": metrics.average_precision,
    "Top-1": metrics.top_1,
}
DEFINITIONS: Mapping[str, str] = {
    "(plain) or micro": "mean over queries",
    "macro": "mean over query classes of the mean over the class's queries",
    "ceiling": "best macro Prec@k that the sizes of the classes allow",
    "Prec@k": "relevant items in the first k / min(k, gallery)",
    "Recall@k": "relevant items in the first k / relevant items",
    "AP@50 hits": "precision summed at the relevant ranks of the first 50 / relevant found there",
    "AP@50 relevant": "the same sum / min(50, relevant items)",
    "mAP": "average precision over the whole ranking / relevant items",
    "Top-1": "share of queries whose first item is relevant",
    "chance": "expected Prec@k of a random ranking: mean over queries of relevant / gallery",
    "ties": "equal scores keep the gallery's order",
}


@dataclass(frozen=True)
class RetrievalReport:
    """The figures of one evaluation.

    Attributes:
        metrics: name -> value: `Prec@{1,10,50} macro|micro|ceiling`, and as means over queries
            (`… macro`: over classes) `Recall@{1,10,50}`, `AP@50 hits`, `AP@50 relevant`,
            `mAP` and `Top-1`.
        chance: what a random ranking's Prec@k is expected to be, for any k (micro).
        queries: number of queries that the figures rest on.
        gallery: number of gallery items.
        classes: number of distinct classes among those queries.
        excluded: queries left out because the gallery holds nothing of their class.
        definitions: what each name means.
    """

    metrics: Mapping[str, float]
    chance: float
    queries: int
    gallery: int
    classes: int
    excluded: int = 0
    definitions: Mapping[str, str] = field(default_factory=lambda: DEFINITIONS, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Return the report as a dict that JSON can hold."""
        return asdict(self)


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
    values = _values(queries[kept], gallery, classes, gallery_classes, block)
    sizes = Counter(gallery_classes)
    relevant = np.array([sizes[class_id] for class_id in classes])
    return RetrievalReport(
        metrics=_summary(values, classes) | _ceilings(relevant, classes, len(gallery)),
        chance=metrics.micro(relevant / len(gallery)),
        queries=len(kept),
        gallery=len(gallery),
        classes=len(set(classes)),
        excluded=len(queries) - len(kept),
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


def _values(
    queries: Embeddings,
    gallery: Embeddings,
    query_classes: Sequence[str],
    gallery_classes: Sequence[str],
    block: int | None,
) -> dict[str, Values]:
    """Return each metric's (Q,) values."""
    code_of = {class_id: code for code, class_id in enumerate(dict.fromkeys(gallery_classes))}
    query_codes = np.array([code_of[class_id] for class_id in query_classes])
    gallery_codes = np.array([code_of[class_id] for class_id in gallery_classes])
    parts: dict[str, list[Values]] = {name: [] for name in PER_QUERY}
    for start, order in ranked_blocks(queries, gallery, block=block):
        hits = gallery_codes[order] == query_codes[start : start + len(order), None]
        for name, metric in PER_QUERY.items():
            parts[name].append(metric(hits))
    return {name: np.concatenate(part) for name, part in parts.items()}


def _summary(values: Mapping[str, Values], classes: Sequence[str]) -> dict[str, float]:
    summary = {}
    for name, per_query in values.items():
        plain = f"{name} micro" if name.startswith("Prec@") else name
        summary[plain] = metrics.micro(per_query)
        summary[f"{name} macro"] = metrics.macro(per_query, classes)
    return summary


def _ceilings(relevant: Counts, classes: Sequence[str], gallery: int) -> dict[str, float]:
    return {
        f"Prec@{k} ceiling": metrics.macro(metrics.precision_ceiling(relevant, k, gallery), classes)
        for k in KS
    }
