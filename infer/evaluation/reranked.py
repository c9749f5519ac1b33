"""A task whose queries rank the best of its gallery anew, by comparing tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from zscr.data.relevance import Order
from zscr.data.tasks import Task
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.evaluation.ranking import SCORE_DECIMALS, Cosines, Scores, rank
from zscr.infer.reranking import Logits, Reranking, Tokens

Compare = Callable[[Tokens, Tokens], Logits]  # (L, W) of a query, (N, M, W) of images -> (N,)


@dataclass(frozen=True)
class TokenPairs:
    """What is compared: tokens of queries (Q, L, W) and of gallery items (G, M, W), and how."""

    asked: Tokens
    found: Tokens
    compare: Compare

    def __call__(self, query: int, items: Order) -> Logits:
        """Return the logits of some of the items for one of the queries, by position."""
        return self.compare(self.asked[query], self.found[items])

    def with_gallery_of(self, other: TokenPairs) -> TokenPairs:
        """Return the same queries over both galleries, its own items first."""
        return replace(self, found=np.concatenate([self.found, other.found]))


@dataclass(frozen=True)
class RerankedScores:
    """A `Scorer`: cosines, of which the best of each query are ranked anew; see `Reranking`.

    Attributes:
        cosines: of these queries and items.
        pairs: gives logits, of a query and of items that it knows by the positions in the task.
        queries, items: these positions.
    """

    cosines: Cosines
    pairs: Callable[[int, Order], Logits]
    reranking: Reranking
    queries: Order
    items: Order

    @property
    def shape(self) -> tuple[int, int]:
        """See `Scorer`."""
        return self.cosines.shape

    def blocks(self, step: int) -> Iterator[tuple[int, Scores]]:
        """See `Scorer`."""
        for start, cosines in self.cosines.blocks(step):
            cosines = np.round(cosines, SCORE_DECIMALS)
            orders = rank(cosines)
            for row, order in enumerate(orders):
                cosines[row, order] = self._scores(start + row, order, cosines[row, order])
            yield start, cosines

    def row(self, number: int) -> RerankedScores:
        """See `Scorer`."""
        return self.part(slice(number, number + 1), np.arange(self.shape[1]))

    def part(self, queries: slice, places: Order) -> RerankedScores:
        """See `Scorer`; the best are those of these items."""
        cosines = self.cosines.part(queries, places)
        return RerankedScores(
            cosines, self.pairs, self.reranking, self.queries[queries], self.items[places]
        )

    def _scores(self, query: int, order: Order, cosines: Scores) -> Scores:
        """Return a query's scores (G,) of all items, best cosine first."""
        known = np.arange(len(order)) < self.reranking.top
        logits = np.zeros(len(order))
        logits[known] = self.pairs(int(self.queries[query]), self.items[order[known]])
        return self.reranking.scores(cosines, logits, known)


@dataclass(frozen=True)
class Reranked(Ranked):
    """A task with its embeddings and what re-ranks the best of them."""

    embedded: Embedded
    pairs: TokenPairs
    reranking: Reranking

    @property
    def task(self) -> Task:  # type: ignore[override]  # which nothing sets
        """What is asked."""
        return self.embedded.task

    @property
    def scorer(self) -> RerankedScores:
        """See `Ranked`."""
        cosines = self.embedded.scorer
        queries, items = map(np.arange, cosines.shape)
        return RerankedScores(cosines, self.pairs, self.reranking, queries, items)

    def with_gallery_of(self, other: Ranked) -> Reranked:
        """See `Ranked`."""
        assert isinstance(other, Reranked), type(other)
        embedded = self.embedded.with_gallery_of(other.embedded)
        return replace(self, embedded=embedded, pairs=self.pairs.with_gallery_of(other.pairs))
