"""Exact ranking of a gallery by cosines or other scores, a block of queries at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from zscr.data.relevance import Order, Relevance
from zscr.errors import InputError

Embeddings = npt.NDArray[np.float32]
Scores = npt.NDArray[np.floating]

BLOCK_SCORES = 1_000_000  # scores held at once: 8 MB as float64, and as much for the order
NORM_TOLERANCE = 1e-2  # half-precision models miss unit norm by up to 1e-3
SCORE_DECIMALS = 9


class Scorer(Protocol):
    """Scores of Q queries for G gallery items: all that a ranking needs of a model."""

    @property
    def shape(self) -> tuple[int, int]:
        """Return (Q, G)."""

    def blocks(self, step: int) -> Iterator[tuple[int, Scores]]:
        """Yield (row of the first query, (B, G) scores in float64) for `step` queries at a time."""

    def row(self, number: int) -> Scorer:
        """Return the scores of one of the queries."""

    def part(self, queries: slice, places: Order) -> Scorer:
        """Return the scores of some of the queries for some of the items, by position."""


@dataclass(frozen=True)
class Cosines:
    """Scores by the cosines of queries (Q, D) and gallery (G, D), unit vectors of one space.

    Memory of `blocks`: the gallery once more as float64, and one block.

    Raises:
        InputError: a side is empty, the dimensions differ, or a vector is not of unit norm.
    """

    queries: Embeddings
    gallery: Embeddings

    def __post_init__(self) -> None:
        check_embeddings(self.queries, self.gallery)

    @property
    def shape(self) -> tuple[int, int]:
        """See `Scorer`."""
        return len(self.queries), len(self.gallery)

    def blocks(self, step: int) -> Iterator[tuple[int, Scores]]:
        """See `Scorer`."""
        columns = self.gallery.astype(np.float64).T
        for start in range(0, len(self.queries), step):
            yield start, self.queries[start : start + step].astype(np.float64) @ columns

    def row(self, number: int) -> Cosines:
        """See `Scorer`."""
        return Cosines(self.queries[number : number + 1], self.gallery)

    def part(self, queries: slice, places: Order) -> Cosines:
        """See `Scorer`."""
        return Cosines(self.queries[queries], self.gallery[places])


def ranked_blocks(scorer: Scorer, *, block: int | None = None) -> Iterator[tuple[int, Order]]:
    """Yield (row of the first query, (B, G) gallery positions best first), block after block.

    Args:
        scorer, block: see `scored_blocks`.
    """
    for start, scores in scored_blocks(scorer, block=block):
        yield start, rank(scores)


def ranked_parts(
    scorer: Scorer, relevance: Relevance, *, block: int | None = None
) -> Iterator[tuple[slice, Order]]:
    """Yield (B queries, (B, g) gallery positions best first) of the part that these queries rank.

    Args:
        scorer, block: see `scored_blocks`.
        relevance: of the same queries and items; it says which part each query ranks.

    Raises:
        InputError: a query's part is empty.
    """
    for queries, places in relevance.parts():
        if places is not None and not len(places):
            raise InputError(
                f"query {queries.start} searches a gallery without items; add some or remove it"
            )
        part = scorer if places is None else scorer.part(queries, places)
        for start, order in ranked_blocks(part, block=block):
            rows = slice(queries.start + start, queries.start + start + len(order))
            yield rows, order if places is None else places[order]


def scored_blocks(scorer: Scorer, *, block: int | None = None) -> Iterator[tuple[int, Scores]]:
    """Yield (row of the first query, (B, G) scores), block after block.

    Scores are float64 and rounded to 1e-9: finer than anything that float32 embeddings can tell
    apart, coarser than what the order of summation changes. So equal images tie and keep
    the gallery's order, on any machine and with any block size.

    Args:
        scorer: of Q queries and G items.
        block: queries a block; by default as many as `BLOCK_SCORES` allows.
    """
    for start, scores in scorer.blocks(block_rows(scorer.shape[1], block)):
        yield start, np.round(scores, SCORE_DECIMALS)


def first_places(order: Order, k: int) -> Order:
    """Return the first k places (B, k) of rankings (B, G), without keeping the rest in memory."""
    return order[:, :k].copy()  # a view holds the whole array that it is of


def block_rows(gallery: int, block: int | None) -> int:
    """Return how many queries a block over a gallery of this size has."""
    return block or max(1, BLOCK_SCORES // gallery)


def rank(scores: Scores) -> Order:
    """Return (Q, G) gallery positions, best score first; ties keep the gallery's order.

    `rank([[.2, .9, .9]])` is `[[1, 2, 0]]`. The ZSCRGAN reference breaks ties this way too.

    Raises:
        InputError: a score is NaN, which has no place in any order.
    """
    broken = np.isnan(scores).any(axis=1)
    if broken.any():
        raise InputError(
            f"{broken.sum()} of {len(scores)} queries have a NaN score, the first is query "
            f"{broken.argmax()}; check the embeddings for NaN"
        )
    return np.argsort(-scores, axis=1, kind="stable")


def check_embeddings(queries: Embeddings, gallery: Embeddings) -> None:
    """Refuse embeddings whose dot products would not be cosines.

    Raises:
        InputError: a side is empty or not (N, D), the D differ, or a vector is not of unit norm.
    """
    for name, side in (("query", queries), ("gallery", gallery)):
        if side.ndim != 2 or not len(side):
            raise InputError(f"{name} embeddings have shape {side.shape}; give (N, D) with N >= 1")
        norms = np.linalg.norm(side, axis=1)
        wrong = ~(np.abs(norms - 1) <= NORM_TOLERANCE)  # `~(<=)` also catches NaN
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"{wrong.sum()} of {len(side)} {name} embeddings are not unit vectors, the first "
                f"is row {row} with norm {norms[row]:.4g}; L2-normalise them"
            )
    if queries.shape[1] != gallery.shape[1]:
        raise InputError(
            f"query embeddings have {queries.shape[1]} dimensions, gallery embeddings "
            f"{gallery.shape[1]}; encode both sides with the same model"
        )
