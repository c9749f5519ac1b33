"""The order and the scores of images, of which the best are ranked anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.errors import InputError
from zscr.infer.evaluation.ranking import Cosines, rank
from zscr.infer.evaluation.reranked import RerankedScores
from zscr.infer.reranking import Reranking, order_of

COSINES = np.array([0.9, 0.8, 0.6, 0.5, 0.1])


@pytest.mark.parametrize(
    ("top", "mix", "scores"),
    [
        (5, 1.0, [-2, 3, 0, 1, 5]),
        (5, 0.5, [-0.55, 1.9, 0.3, 0.75, 2.55]),
        # The worst of the three scores -2; the others are as far below as below the third's cosine.
        (3, 1.0, [-2, 3, 0, -2.1, -2.5]),
        (1, 0.5, [-0.55, -0.65, -0.85, -0.95, -1.35]),
    ],
)
def test_scores_by_hand(top: int, mix: float, scores: list[float]) -> None:
    """The best by their mix, the rest behind them at their distances."""
    known = np.arange(5) < top
    found = Reranking(top, mix).scores(COSINES, np.array([-2.0, 3, 0, 1, 5]), known)
    np.testing.assert_allclose(found, scores, atol=1e-12)


def test_an_image_that_cannot_be_compared_comes_behind_those_that_can() -> None:
    """Though its cosine is the best, and though it scores as the worst of the others then."""
    known = np.array([False, True, True, False, False])
    scores = Reranking(3, 1.0).scores(COSINES, np.array([np.nan, 1, 2, np.nan, np.nan]), known)
    np.testing.assert_allclose(scores, [1.0, 1, 2, 0.6, 0.2])
    assert order_of(scores, known).tolist() == [2, 1, 0, 3, 4]


def test_nothing_that_can_be_compared_leaves_cosines() -> None:
    """Such as of an index whose images are gone."""
    known = np.zeros(5, np.bool_)
    scores = Reranking(3, 1.0).scores(COSINES, np.zeros(5), known)
    assert scores.tolist() == COSINES.tolist()


def test_equal_logits_keep_the_order_of_cosines() -> None:
    """And what another batch's sums differ by makes no order."""
    logits, known = np.array([1.0, 1.0 + 4e-7, 1.0 - 4e-7, 2, 1]), np.ones(5, np.bool_)
    scores = Reranking(5, 1.0).scores(COSINES, logits, known)
    assert order_of(scores, known).tolist() == [3, 0, 1, 2, 4]


@pytest.mark.parametrize("top", [0, -1])
def test_a_re_ranking_of_nothing_is_refused(top: int) -> None:
    """None at all is said by 0 elsewhere."""
    with pytest.raises(InputError, match=f"the top {top} cannot be re-ranked; give at least 1"):
        Reranking(top)


@given(st.integers(0, 10**6), st.integers(1, 12), st.sampled_from([0.1, 0.5, 1.0]))
def test_a_ranking_is_the_best_anew_and_then_the_rest(seed: int, top: int, mix: float) -> None:
    """Each query's first N are those of the cosines, and what follows them is unmoved.

    A part of queries and items is ranked as if there were no others.
    """
    rng = np.random.default_rng(seed)
    queries, gallery = (
        rows / np.linalg.norm(rows, axis=1, keepdims=True)
        for rows in (rng.standard_normal((3, 4)), rng.standard_normal((10, 4)))
    )
    logits = rng.standard_normal((3, 10)).round(1)  # with ties
    cosines = Cosines(queries, gallery)

    def scorer(some: Cosines, rows: np.ndarray, items: np.ndarray) -> RerankedScores:
        return RerankedScores(some, lambda q, i: logits[q, i], Reranking(top, mix), rows, items)

    whole = scorer(cosines, np.arange(3), np.arange(10))
    plain = rank(np.round(queries @ gallery.T, 9))
    for start, scores in whole.blocks(2):
        for row, order in enumerate(rank(scores), start):
            assert {*order[:top]} == {*plain[row, :top]}
            assert order[top:].tolist() == plain[row, top:].tolist()
            mixed = (1 - mix) * (queries @ gallery.T)[row] + mix * logits[row]
            best = mixed[order[:top]]
            assert (np.diff(best) <= 1e-12).all()
    items = np.array([7, 2, 9])
    some = scorer(Cosines(queries[1:2], gallery[items]), np.array([1]), items)
    [(_, part)], [(_, alone)] = whole.part(slice(1, 2), items).blocks(9), some.blocks(9)
    assert part.tolist() == alone.tolist()
