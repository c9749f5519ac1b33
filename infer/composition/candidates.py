"""Fused search over an index: a list of candidates a channel, their union scored again, a proof.

Every channel's list comes of the same index, since its scores are inner products with the stored
rows (see `affine`). What is in either list is scored by all channels and fused; where the best k of
it score more than anything outside can (see `certificate`), that is the answer, and else the lists
are made twice as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from zscr.infer.composition.affine import Affine, Scores, Vectors
from zscr.infer.composition.certificate import bound
from zscr.infer.composition.composition import Fusion
from zscr.infer.composition.fusion import Moments, fused

Rows = npt.NDArray[np.int64]

# Below this number of images all are scored: as fast as two lists, a sort and a second look.
WHOLE = 4096
# Candidates a list to begin with: enough for half of BASIC's queries over 100,000 images; others
# took up to 4,096. A list that is too long costs less than a second one
# (benchmarks/composed_search.py).
START = 512


class Gallery(Protocol):
    """Images that may be found, by the rows of an index."""

    @property
    def rows(self) -> Rows:
        """All of them, ascending."""

    def nearest(self, direction: Vectors, n: int) -> tuple[Rows, Scores]:
        """Return the n rows, or all, with the highest products with a unit vector (D,), and these.

        Best first, in float64.
        """

    def products(self, directions: Vectors, rows: Rows) -> Scores:
        """Return the products (C, R) of unit vectors (C, D) with rows, in float64, as `nearest`."""


@dataclass(frozen=True, eq=False)
class Found:
    """A query's best images.

    Attributes:
        rows, scores: best first, equal scores in the order of the rows.
        read: images that were scored by all channels.
        listed: length of the lists that prove that no other is as good; 0 where all were scored.
    """

    rows: Rows
    scores: Scores
    read: int
    listed: int

    @property
    def whole(self) -> bool:
        """Whether all images were scored, so that there is nothing to prove."""
        return not self.listed


def search_fused(
    gallery: Gallery,
    channels: Sequence[Affine],
    fusion: Fusion,
    k: int,
    *,
    moments: Sequence[Moments] | None = None,
    start: int = START,
    whole: int = WHOLE,
) -> Found:
    """Return the min(k, G) images of the highest fused scores, exactly, as far as lists are.

    Args:
        gallery: what is searched.
        channels: of one query.
        fusion: `product`, `harris` or `cdf`; moments: of each channel over the gallery, for `cdf`.
        k: at least 1.
        start: candidates a list at first; whole: the number of images up to which all are scored.
    """
    count, n = len(gallery.rows), max(start, 2 * k)
    directions = np.concatenate([one.directions for one in channels])

    def best_of(rows: Rows) -> tuple[Rows, Scores]:
        products = gallery.products(directions, rows)
        scores = [one.put_back(row[None]) for one, row in zip(channels, products, strict=True)]
        values = fused(scores, fusion, moments=moments)[0]
        order = np.lexsort((rows, -values))[:k]
        return rows[order], values[order]

    while count > whole and 2 * n < count:  # the lists may share nothing
        lists = [gallery.nearest(direction, n) for direction in directions]
        union = np.unique(np.concatenate([rows for rows, _ in lists]))
        rows, values = best_of(union)
        last = [
            float(one.put_back(products[None, -1:])[0, 0])
            for one, (_, products) in zip(channels, lists, strict=True)
        ]
        if values[-1] > bound(last, fusion, moments=moments):
            return Found(rows, values, len(union), n)
        n *= 2
    rows, values = best_of(gallery.rows)
    return Found(rows, values, count, 0)
