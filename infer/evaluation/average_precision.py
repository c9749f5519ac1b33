"""Average precision under each definition that is published; one rank is judged like another.

`hits` is (Q, G) bool, and each function gives a value a query, (Q,) float64, as in `metrics`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from zscr.infer.evaluation.metrics import Hits, Sizes, Values, require_relevant


def average_precision(hits: Hits) -> Values:
    """Return the mean precision at the ranks of all relevant items.

    AP = 1/n * sum_r rel(r) P@r. Hits 1 0 1: (1/1 + 2/3) / 2 = 0.8333. Its mean is mAP.

    Raises:
        InputError: a query has no relevant item.
    """
    return _precision_sum(hits) / require_relevant(hits)


def average_precision_at_k(hits: Hits, k: int, norm: Literal["hits", "relevant"]) -> Values:
    """Return the precision summed at the relevant ranks of the first k, under one of two norms.

    AP@k = 1/z * sum_{r <= k} rel(r) P@r, where z is, by `norm`:
    `hits`: the relevant items found in the first k (0 if none is found). It forgives what was
        not found; ZSCRGAN's published mAP@50 exceeds its Prec@50, which only this norm allows.
    `relevant`: min(k, n), so that only a perfect first k gives 1.
    Hits 1 0 1 0 1, k = 3: the sum is 1/1 + 2/3; AP@3 is 0.8333 by hits, 0.5556 by relevant.
    (trec_eval's map_cut_k divides by n itself.)

    Raises:
        InputError: a query has no relevant item (`relevant` only: `hits` is defined without).
    """
    assert k >= 1, k
    top = hits[:, :k]
    z = np.maximum(top.sum(axis=1), 1) if norm == "hits" else np.minimum(require_relevant(hits), k)
    return _precision_sum(top) / z


TRAPEZOID_MARGIN = 1e-5  # of FreeDom's and i-CIR's code, which divides by no positives too


def trapezoid_precision(hits: Hits) -> Values:
    """Return the area below the precision-recall curve by trapezoids: Oxford5k's AP, not TREC's.

    Hit j + 1 at rank r + 1 adds (before + after) / 2, where before = j / r, or 1 at r = 0, is the
    precision just above it and after = (j + 1) / (r + 1) the one at it; the sum is divided by
    n + 1e-5. Domain conversion and i-CIR are published so. It is below `average_precision`
    wherever precision rises at a hit. Hits 1 0 1: ((1 + 1) / 2 + (1/2 + 2/3) / 2) / 2 = 0.7917
    (AP 0.8333); hits 0 1: (0 + 1/2) / 2 / 1 = 0.25 (AP 0.5).

    Raises:
        InputError: a query has no relevant item.
    """
    query, found, rank = _at_hits(hits)
    before = np.divide(found - 1, rank - 1, where=rank > 1, out=np.ones(len(rank)))
    total = _summed(query, (before + found / rank) / 2, len(hits))
    area: Values = total / (require_relevant(hits) + TRAPEZOID_MARGIN)
    return area


RECALL_LEVELS = tuple(tenth / 10 for tenth in range(11))


def interpolated_precision(hits: Hits) -> Values:
    """Return (Q, 11): the best precision at any rank where recall is at least 0, 0.1, …, 1.

    The 11-point interpolated precision-recall curve of TREC (`iprec_at_recall`); over many
    queries it is averaged level by level. Hits 1 0 1: 1 up to recall 0.5, then 2/3.

    Raises:
        InputError: a query has no relevant item.
    """
    relevant = require_relevant(hits)
    query, found, rank = _at_hits(hits)
    best_from = _best_from(query, found, rank, len(hits))
    needed = -(-relevant[:, None] * np.arange(11) // 10)  # hits for a recall of at least tenths
    levels: Values = np.take_along_axis(best_from, np.maximum(needed, 1) - 1, axis=1)
    return levels


def interpolated_average_precision(hits: Hits, k: int | None = None) -> Values:
    """Return the mean, at all relevant items, of the best precision there or further down.

    PASCAL VOC's AP of 2010 (the area below the precision envelope), as ZSE-SBIR and SAKE judge
    sketches: AP = 1/z * sum_{r <= k} rel(r) max_{r <= s <= k} P@s, z = min(k, n); without k over
    the whole ranking, z = n. It is never below `average_precision`. Hits 1 0 1 1: (1 + 3/4 + 3/4)
    / 3 = 0.8333 (AP 0.8056); k = 3: (1 + 2/3) / 3; hits 0 1 0 1: 0.5, as AP.

    Raises:
        InputError: a query has no relevant item.
    """
    assert k is None or k >= 1, k
    top, relevant = hits[:, :k], require_relevant(hits)
    query, found, rank = _at_hits(top)
    best = _best_from(query, found, rank, len(hits))[query, found - 1]
    return _summed(query, best, len(hits)) / (relevant if k is None else np.minimum(relevant, k))


def _at_hits(hits: Hits) -> tuple[Sizes, Sizes, Sizes]:
    """Return of each hit, query after query: its query, its number among the hits, and its rank.

    Both numbers begin at 1, and their quotient is the precision at the hit. One rank in twenty is a
    hit where twenty classes are alike: what is computed of hits alone costs a twentieth.
    """
    query, rank_before = np.nonzero(hits)
    count = np.count_nonzero(hits, axis=1)
    found = np.arange(len(query)) - np.repeat(np.cumsum(count) - count, count)
    return query, found + 1, rank_before + 1


def _best_from(query: Sizes, found: Sizes, rank: Sizes, queries: int) -> Values:
    """Return (Q, most hits): column j is the best precision at hit j + 1 or a later one, else 0."""
    precision = np.zeros((queries, found.max(initial=0)))
    precision[query, found - 1] = found / rank
    best: Values = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return best


def _summed(query: Sizes, values: Values, queries: int) -> Values:
    """Return (Q,) sums over each query's hits, added in their order, whatever the block."""
    return np.bincount(query, weights=values, minlength=queries)


def _precision_sum(hits: Hits) -> Values:
    query, found, rank = _at_hits(hits)
    return _summed(query, found / rank, len(hits))
