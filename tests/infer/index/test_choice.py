"""The choice between exact search and HNSW: measured on the right queries, counted right."""

from __future__ import annotations

import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from tests.infer.index.conftest import stacked
from zscr.infer.index.choice import RECALL, Measured, start
from zscr.infer.index.exact import Hits, search_exact
from zscr.infer.index.hnsw import Hnsw
from zscr.infer.index.hnsw_of import build_hnsw
from zscr.infer.index.measuring import (
    EXACT_BELOW,
    LADDER,
    SAMPLE,
    choose,
    decide,
    recall_of,
    surely,
)


def brute_recall(gallery, queries, rows, k):
    """Share of hits that are among the k best, where equals of the k-th may stand for it.

    By rank in a full sort of float64 products of each pair; scores that hits carry are not looked
    at. Two rows are equal if they hold the same numbers.
    """
    right = 0
    for query, found in zip(queries.astype(np.float64), rows.tolist(), strict=True):
        scores = [float(np.dot(row, query)) for row in gallery.astype(np.float64)]
        order = sorted(range(len(scores)), key=lambda n: -scores[n])
        best = {gallery[n].tobytes() for n in order[:k]}
        right += sum(gallery[n].tobytes() in best for n in set(found))
    return right / (len(queries) * k)


@pytest.mark.parametrize("twins", [1, 3])
def test_recall_is_that_of_brute_force(clustered, twins):
    """For searches that miss some, also where several images are the same."""
    gallery = np.tile(clustered(900 // twins, 32), (twins, 1))
    queries, hnsw = clustered(25, 32, seed=1), Hnsw.build(gallery, threads=1)
    truth, recalls = search_exact(gallery, queries, 10), []
    for ef in (10, 40, 900):
        hits = hnsw.search(gallery, queries, 10, ef)
        recalls.append(recall_of(hits, truth))
        assert recalls[-1] == pytest.approx(brute_recall(gallery, queries, hits.rows, 10))
    nothing = Hits(truth.rows, truth.scores - 2)
    assert (min(recalls) < 1, recall_of(nothing, truth)) == (True, 0)


def test_recall_by_hand():
    """Three of four: 0.7 is not among the two best of the second query, the twin's 0.8 is."""
    truth = Hits(np.array([[0, 1], [0, 1]]), np.array([[0.9, 0.8], [0.9, 0.8]]))
    found = Hits(np.array([[0, 2], [0, 3]]), np.array([[0.9, 0.8], [0.9, 0.7]]))
    assert recall_of(found, truth) == 0.75


class Stairs:
    """In HNSW's place: exact, but the last `missed(ef)` of all hits are the worst images."""

    def __init__(self, vectors, missed, seconds=0.0):
        self.vectors, self.missed, self.seconds, self.asked = vectors, missed, seconds, []

    def candidates(self, queries, k, ef, threads):
        self.asked.append((queries, ef))
        time.sleep(self.seconds)
        rows, count = search_exact(self.vectors, queries, k).rows, self.missed(ef)
        worst = search_exact(self.vectors, -queries, k).rows
        rows.flat[rows.size - count :] = worst.flat[:count]
        return rows


def chosen(vectors, queries, grow, choice):
    """Choose for rows of one segment, as if all that was known of them was old."""
    before = SimpleNamespace(choice=choice, hnsw=None)
    return choose(stacked(vectors), queries, before, grow, due=True)


@pytest.mark.parametrize("enough", [10, 45, 101, 512])
def test_smallest_sufficient_ef_is_chosen(clustered, enough):
    """To a sixteenth; the ladder is climbed no further than to the first that is enough."""
    gallery = clustered(400, 8)
    stairs = Stairs(gallery, lambda ef: 0 if ef >= enough else 300)
    choice, _ = chosen(gallery, clustered(50, 8, 1), lambda stack: stairs, start("hnsw"))
    assert enough <= choice.ef <= enough * 17 / 16
    assert choice.measured.recall_at_10 == 1
    tried = [ef for queries, ef in stairs.asked if len(queries) == 50]
    assert max(tried) == min(ef for ef in LADDER if ef >= enough)


def test_a_sample_that_is_just_enough_is_too_little():
    """Of three in a hundred queries half is missed: 0.985, and by chance 0.005 or more less."""
    shares = np.where(np.arange(100) < 3, 0.5, 1.0)
    assert surely(shares) == pytest.approx(0.985 - 1.645 * 0.5 * np.sqrt(0.03 * 0.97) / 10)
    assert surely(np.ones(7)) == 1


def test_chosen_ef_finds_enough_of_other_queries(clustered):
    """HNSW itself, by brute force: as told on its own queries, enough on others, too."""
    gallery, queries = clustered(3000, 96), clustered(240, 96, seed=3)
    own, others = queries[:120], queries[120:]
    choice, hnsw = chosen(gallery, own, partial(build_hnsw, threads=1), start("hnsw"))

    def recall(asked, ef):
        return brute_recall(gallery, asked, hnsw.search(gallery, asked, 10, ef).rows, 10)

    assert choice.measured.recall_at_10 == pytest.approx(recall(own, choice.ef))
    assert recall(others, choice.ef) >= RECALL
    assert recall(own, choice.ef // 3) < RECALL


@pytest.mark.parametrize(("missed", "enough"), [(102, True), (103, False)])
def test_recall_of_a_hundredth_less_is_too_little(clustered, missed, enough):
    """Of 10240 hits 102 may be missed, 103 may not, however fast it is."""
    gallery, queries = clustered(EXACT_BELOW, 4), clustered(SAMPLE, 4, seed=1)
    choice, _ = chosen(
        gallery, queries, lambda stack: Stairs(gallery, lambda ef: missed), start(None)
    )
    assert choice.measured.recall_at_10 == pytest.approx(1 - missed / 10240)
    assert ("under 0.99" in choice.how) is not enough
    if not enough:
        assert (choice.search, choice.ef) == ("exact", None)


def test_slow_hnsw_is_not_chosen(clustered):
    """Its time is told as its own, not as that of exact search."""
    gallery = clustered(EXACT_BELOW, 4)
    stairs = Stairs(gallery, lambda ef: 0, seconds=0.01)
    choice, hnsw = chosen(gallery, None, lambda stack: stairs, start(None))
    assert (choice.search, hnsw) == ("exact", None)
    assert "no faster" in choice.how
    assert choice.measured.p50_hnsw_ms >= 10
    assert choice.measured.p50_exact_ms < choice.measured.p50_hnsw_ms


@pytest.mark.parametrize(("given", "used"), [(7, 7), (1024, 1024), (3000, 1024)])
def test_it_is_measured_on_the_queries(clustered, given, used):
    """On queries of the real modality where there are some, at most 1024 of them, of all parts."""
    gallery, queries = clustered(400, 8), clustered(given, 8, 1)
    stairs = Stairs(gallery, lambda ef: 0)
    choice, _ = chosen(gallery, queries, lambda stack: stairs, start("hnsw"))
    asked, _ = stairs.asked[0]
    rows = [int(np.flatnonzero((queries == query).all(1))[0]) for query in asked]
    assert (rows[0], rows[-1], len(set(rows))) == (0, given - 1, used)
    measured = choice.measured
    assert (measured.queries, measured.n, measured.count) == ("query modality", used, 400)


def test_without_queries_it_is_measured_on_moved_images(clustered):
    """About 17 degrees from the images, not on the images themselves, and it says so."""
    gallery = clustered(3000, 128)
    stairs = Stairs(gallery, lambda ef: 0)
    choice, _ = chosen(gallery, None, lambda stack: stairs, start("hnsw"))
    asked, _ = stairs.asked[0]
    np.testing.assert_allclose(np.linalg.norm(asked, axis=1), 1, atol=1e-6)
    rows = np.linspace(0, 2999, 1024).astype(int)
    degrees = np.degrees(np.arccos((asked * gallery[rows]).sum(1)))
    assert (np.abs(degrees - 16.7) < 4).all()
    assert (choice.measured.queries, choice.measured.n) == ("gallery", 1024)


@pytest.mark.parametrize(
    ("recall", "hnsw_ms", "pinned", "search", "words"),
    [
        (0.995, 0.1, False, "hnsw", "p50 0.1 ms against 2 ms exact"),
        (0.99, 0.1, False, "hnsw", "recall@10 0.9900 on 50 queries (gallery)"),
        (0.985, 0.1, False, "exact", "recall@10 0.9850 on 50 queries (gallery), under 0.99"),
        (0.995, 2.0, False, "exact", "no faster, p50 2 ms against 2 ms exact"),
        (0.500, 9.0, True, "hnsw", "as was asked for: recall@10 0.5000"),
    ],
)
def test_decision(recall, hnsw_ms, pinned, search, words):
    """HNSW needs recall and speed unless it was asked for, and the sentence says which."""
    choice = decide(64, Measured(recall, 2.0, hnsw_ms, "gallery", 50, 9999), pinned=pinned)
    assert choice.search == search
    assert choice.ef == (64 if search == "hnsw" else None)
    assert words in choice.how


def test_nothing_is_built_without_need(clustered):
    """Small galleries, a pinned exact search and a gallery that has not doubled build no HNSW."""
    vectors = clustered(EXACT_BELOW, 4)
    half = len(vectors) // 2
    lost, lost_at_half = (
        decide(512, Measured(0.5, 2.0, 1.0, "gallery", 50, count), pinned=False)
        for count in (half + 1, half)
    )

    def build(stack):
        raise AssertionError("HNSW was built")

    assert chosen(vectors[:-1], None, build, start(None))[0].search == "exact"
    assert chosen(vectors, None, build, start("exact"))[0].pinned
    assert chosen(vectors, None, build, lost) == (lost, None)
    for before in (lost_at_half, start(None)):
        with pytest.raises(AssertionError, match="HNSW was built"):
            chosen(vectors, None, build, before)
