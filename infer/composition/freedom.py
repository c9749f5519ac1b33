"""FreeDom (Efthymiadis et al., WACV 2025): the words that an image's neighbours are nearest to.

The image becomes weighted words, each is put in front of the text, and one vector is searched.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from zscr.infer.composition.affine import Numbers

SAME = 0.98  # cosine from which the best image of the gallery is taken for the query itself


@dataclass(frozen=True)
class Words:
    """Rows of a vocabulary, most frequent first, and their weights: counts over the largest."""

    rows: tuple[int, ...]
    weights: tuple[float, ...]


def proxies(query: Numbers, found: Numbers, scores: Numbers, most: int) -> Numbers:
    """Return the rows that vote for words: the neighbours, with the query first where it is new.

    Where the best of the neighbours is no copy of the query, the query goes first, and the last
    neighbour out if they are `most` already. The published code decides so for a whole batch of
    queries, by the lowest of their best scores, so that an answer depends on what else is asked;
    here it is each query's own.

    Args:
        query: unit (D,); found: unit rows (K, D) of its nearest images, best first.
        scores: (K,) their cosines; most: how many vote.
    """
    if len(scores) and scores[0] >= SAME:
        return found[:most]
    return np.concatenate([query[None], found])[:most]


def frequent_words(voters: Numbers, vocabulary: Numbers, nearest: int, kept: int) -> Words:
    """Return the `kept` most frequent of the voters' `nearest` words.

    Words of equal counts are in the order in which they first appear: voter by voter, each voter's
    nearest first.

    Args:
        voters: unit rows (K, D); vocabulary: unit rows (W, D).
    """
    products = voters.astype(np.float32) @ vocabulary.T  # (K, W)
    order = np.argsort(-products, axis=1, kind="stable")[:, :nearest]
    counts = Counter(order.ravel().tolist()).most_common(kept)  # stable: as they were first met
    largest = counts[0][1]
    return Words(tuple(row for row, _ in counts), tuple(count / largest for _, count in counts))
