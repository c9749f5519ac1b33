"""Which figures are reported, what each means, and their value for every query."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np

from zscr.infer.evaluation import metrics
from zscr.infer.evaluation.metrics import Hits, Values
from zscr.infer.evaluation.ranking import Embeddings, ranked_blocks

KS = (1, 10, 50)
CURVE = "precision at recall"

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
    "intervals": "95 % percentile bootstrap over classes, 2000 draws, fixed seed",
    "curve": "11-point interpolated precision at recall 0, 0.1, …, 1, mean over queries (TREC)",
    "per_class": "means over a class's queries",
    "sd": "sample standard deviation over runs",
    "generalised": "the gallery holds the seen classes' images as well, which the model was "
    "trained on; so seen classes' queries and images are training data",
    "harmonic": "2su / (s + u) of the generalised figures of seen and unseen classes' queries",
}


def summary_names(name: str) -> tuple[str, str]:
    """Return what a metric's mean over queries, and over classes, is called."""
    return (f"{name} micro" if name.startswith("Prec@") else name), f"{name} macro"


def query_values(
    queries: Embeddings,
    gallery: Embeddings,
    *,
    query_classes: Sequence[str],
    gallery_classes: Sequence[str],
    names: Iterable[str] = (*PER_QUERY, CURVE),
    block: int | None = None,
) -> dict[str, Values]:
    """Return each named metric's (Q,) values, and the curve's (Q, 11); see `evaluate_retrieval`."""
    functions = {**PER_QUERY, CURVE: metrics.interpolated_precision}
    code_of = {class_id: code for code, class_id in enumerate(dict.fromkeys(gallery_classes))}
    query_codes = np.array([code_of[class_id] for class_id in query_classes])
    gallery_codes = np.array([code_of[class_id] for class_id in gallery_classes])
    parts: dict[str, list[Values]] = {name: [] for name in names}
    for start, order in ranked_blocks(queries, gallery, block=block):
        hits = gallery_codes[order] == query_codes[start : start + len(order), None]
        for name, part in parts.items():
            part.append(functions[name](hits))
    return {name: np.concatenate(part) for name, part in parts.items()}
