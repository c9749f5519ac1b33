"""Ranking what a query found anew, by the graph of a bundle that compares tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from zscr.infer.gallery_tokens import GalleryTokens
from zscr.infer.index.index import Match
from zscr.infer.pair import Pair
from zscr.infer.reranking import Reranking, Tokens, order_of


class Reranker:
    """Re-ranks matches; what it has computed of images stays for the next queries."""

    def __init__(self, pair: Pair) -> None:
        self.pair, self._gallery = pair, GalleryTokens(pair)

    def ranked(
        self, asked: Tokens, matches: Sequence[Match], reranking: Reranking
    ) -> tuple[list[Match], tuple[str, ...]]:
        """Return matches in their new order with its scores, and what is to be noted.

        Args:
            asked: tokens (L, W) of the query.
            matches: what it found, best first.
            reranking: of how many of them, and how.
        """
        best = [match.entry for match in matches[: reranking.top]]
        places, tokens = self._gallery.of(best)
        logits, known = np.zeros(len(matches)), np.zeros(len(matches), np.bool_)
        logits[places], known[places] = self.pair.logits(asked, tokens), True
        cosines = np.array([match.score for match in matches])
        scores = reranking.scores(cosines, logits, known)
        ranked = [replace(matches[p], score=float(scores[p])) for p in order_of(scores, known)]
        notes = [str(reranking)] if places else []
        if lost := [entry for place, entry in enumerate(best) if not known[place]]:
            notes.append(
                f"{len(lost)} of {len(best)} images cannot be read as they were indexed, and were "
                f"not re-ranked, first {lost[0].image or lost[0].id}"
            )
        return ranked, tuple(notes)
