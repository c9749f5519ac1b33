"""Retrieval metrics over a ranked gallery: one function a metric, standard names, pure numpy.

`hits` is (Q, G) bool everywhere: `hits[q, r]` says whether the item at rank r + 1 of query q's
whole ranking is relevant. Where queries have galleries of their own sizes, G is the largest one
and rows are False behind the end of theirs. A metric gives one value a query, (Q,) float64
(a curve: (Q, 11)); `macro` and `micro` average them. Where a query without any relevant item has
no value, that is an error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from zscr.errors import InputError

Hits = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]
Sizes = npt.NDArray[np.intp]


def precision_at_k(hits: Hits, k: int, sizes: Sizes | None = None) -> Values:
    """Return the share of relevant items among the first min(k, G).

    P@k = sum_{r <= k} rel(r) / min(k, G). Hits 1 0 1: P@2 = 1/2, P@50 = 2/3.
    A gallery smaller than k divides by its real size, as the ZSCRGAN reference does; `sizes` (Q,)
    are the queries' own gallery sizes where items are left out of their rankings.
    """
    assert k >= 1, k
    own = np.full(len(hits), hits.shape[1]) if sizes is None else sizes
    precision: Values = hits[:, :k].sum(axis=1) / np.minimum(own, k)
    return precision


def recall_at_k(hits: Hits, k: int) -> Values:
    """Return the share of the relevant items that stand among the first k.

    R@k = sum_{r <= k} rel(r) / n. Hits 1 0 1: R@2 = 1/2, R@3 = 1.

    Raises:
        InputError: a query has no relevant item.
    """
    assert k >= 1, k
    recall: Values = hits[:, :k].sum(axis=1) / require_relevant(hits)
    return recall


def hit_at_k(hits: Hits, k: int) -> Values:
    """Return 1 where any relevant item stands among the first k, else 0.

    R@k of image-caption retrieval (Karpathy and Fei-Fei 2015). Hits 0 1 1: R@1 = 0, R@2 = 1; where
    one item is relevant it is `recall_at_k`.
    """
    assert k >= 1, k
    found: Values = np.minimum(hits[:, :k].sum(axis=1), 1).astype(np.float64)
    return found


def first_rank(hits: Hits) -> Values:
    """Return the rank of the first relevant item. Hits 0 1 1: 2.

    Raises:
        InputError: a query has no relevant item.
    """
    require_relevant(hits)
    ranks: Values = hits.argmax(axis=1) + 1.0
    return ranks


def median_rank(ranks: Values) -> float:
    """Return the median of first ranks; between two ranks the lower, as Karpathy's code does.

    Ranks 1 4 9: 4; ranks 1 4 5 9: 4 (the median is 4.5).
    """
    return float(np.floor(np.median(ranks)))


def top_1(hits: Hits) -> Values:
    """Return 1 where the first item is relevant, else 0. Hits 1 0 1: 1."""
    return hits[:, 0].astype(np.float64)


def precision_of_relevant_at_k(hits: Hits, k: int) -> Values:
    """Return the relevant items among the first k as a share of those that could stand there.

    P@k = sum_{r <= k} rel(r) / min(k, n), FreeDom's and i-CIR's precision: a query with fewer than
    k relevant items reaches 1, too. Hits 1 0 1 0, k = 3: 2/2 = 1; k = 2: 1/2.

    Raises:
        InputError: a query has no relevant item.
    """
    assert k >= 1, k
    precision: Values = hits[:, :k].sum(axis=1) / np.minimum(k, require_relevant(hits))
    return precision


def harmonic_mean(seen: float, unseen: float) -> float:
    """Return 2su / (s + u), by which generalised figures are summed up; 0 and 0.5: 0."""
    return 2 * seen * unseen / (seen + unseen) if seen + unseen else 0.0


def precision_ceiling(relevant: Sizes, k: int, sizes: Sizes) -> Values:
    """Return the best P@k that each query with n relevant items in a gallery of G can reach.

    min(n, k) / min(k, G). A class of 41 images in a gallery of 2,933 allows P@50 = 0.82.
    """
    ceiling: Values = np.minimum(relevant, k) / np.minimum(k, sizes)
    return ceiling


def micro(values: Values) -> float:
    """Return the mean over queries. Groups a, a, b with 1, 0, 1: 2/3."""
    return float(values.mean())


def by_group(values: Values, groups: Sequence[str]) -> dict[str, float]:
    """Return the mean over each group's queries. Groups a, a, b with 1, 0, 1: a 1/2, b 1."""
    assert len(values) == len(groups), (len(values), len(groups))
    names, code = np.unique(np.asarray(groups), return_inverse=True)
    means = np.bincount(code, weights=values) / np.bincount(code)
    return dict(zip(names.tolist(), means.tolist(), strict=True))


def macro(values: Values, groups: Sequence[str]) -> float:
    """Return the mean over groups, such as classes, of the mean over the group's queries.

    Groups a, a, b with 1, 0, 1: (1/2 + 1) / 2 = 0.75. The ZSCRGAN reference's Prec@50.
    """
    return float(np.mean([*by_group(values, groups).values()]))


def require_relevant(hits: Hits) -> Sizes:
    """Return how many relevant items each query has.

    Raises:
        InputError: a query has none.
    """
    relevant: Sizes = np.count_nonzero(hits, axis=1)
    lost = relevant == 0
    if lost.any():
        raise InputError(
            f"{lost.sum()} of {len(hits)} queries have no relevant item, the first is query "
            f"{lost.argmax()}; leave them out and report their number"
        )
    return relevant
