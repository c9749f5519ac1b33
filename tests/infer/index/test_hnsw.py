"""The graph against exact search, and the choice between the two."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.infer.index.choice import EXACT_BELOW, Measured, choose, decide, recall_of, start
from zscr.infer.index.exact import search_exact
from zscr.infer.index.hnsw import Graph


def clustered(count, dim, seed=0):
    """Unit vectors around 100 centres, as embeddings of classes are."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(100, dim))
    vectors = centres[rng.integers(100, size=count)] + 0.7 * rng.normal(size=(count, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def gallery():
    return clustered(20_000, 64)


@pytest.fixture(scope="module")
def graph(gallery):
    return Graph.build(gallery, threads=2)


def test_exact_search_is_brute_force(gallery):
    """The blocked float32 search returns what a full float64 sort returns."""
    queries = clustered(40, 64, seed=1)
    scores = queries.astype(np.float64) @ gallery.T.astype(np.float64)
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    hits = search_exact(gallery, queries, 10)
    np.testing.assert_array_equal(hits.rows, rows)
    np.testing.assert_allclose(hits.scores, np.take_along_axis(scores, rows, 1), atol=1e-12)


def test_ties_go_to_the_lower_row_in_any_batch():
    """Identical images come in the order of their rows, and one query gets its batch's answer."""
    gallery = np.tile(clustered(7, 48), (50, 1))
    queries = clustered(33, 48, seed=1)
    batch = search_exact(gallery, queries, 20)
    single = [search_exact(gallery, query[None], 20) for query in queries]
    np.testing.assert_array_equal(batch.rows, np.concatenate([hits.rows for hits in single]))
    np.testing.assert_array_equal(batch.scores, np.concatenate([hits.scores for hits in single]))
    tied = np.diff(batch.scores, axis=1) == 0
    assert tied.sum() > 33 * 10
    assert (np.diff(batch.rows, axis=1)[tied] == 7).all()


def test_graph_finds_what_exact_search_finds(gallery, graph):
    """Recall grows with ef to above 0.99, and scores of rows found by both are the same numbers."""
    queries = clustered(200, 64, seed=2)
    truth = search_exact(gallery, queries, 10)
    recalls = [recall_of(graph.search(gallery, queries, 10, ef), truth) for ef in (10, 64, 512)]
    assert recalls == sorted(recalls)
    assert recalls[-1] >= 0.99, f"recall@10 {recalls}"
    best = graph.search(gallery, queries, 10, 512)
    same = best.rows == truth.rows
    np.testing.assert_array_equal(best.scores[same], truth.scores[same])


def test_choice_follows_its_own_measurement(gallery, graph):
    """Whatever this machine measures, the choice is the one that the figures call for."""
    choice, chosen = choose(gallery, clustered(100, 64, seed=3), lambda: graph, start(None))
    measured = choice.measured
    wins = measured.recall_at_10 >= 0.99 and measured.p50_hnsw_ms < measured.p50_exact_ms
    assert (choice.search, chosen) == (("hnsw", graph) if wins else ("exact", None))
    assert (measured.queries, measured.n, measured.count) == ("query modality", 100, 20_000)


@pytest.mark.parametrize(
    ("recall", "hnsw_ms", "pinned", "search", "words"),
    [
        (0.995, 0.1, False, "hnsw", "p50 0.1 ms against 2 ms exact"),
        (0.985, 0.1, False, "exact", "recall@10 0.9850 on 50 queries (gallery), under 0.99"),
        (0.995, 2.0, False, "exact", "no faster, p50 2 ms against 2 ms exact"),
        (0.500, 9.0, True, "hnsw", "as was asked for: recall@10 0.5000"),
    ],
)
def test_decision(recall, hnsw_ms, pinned, search, words):
    """A graph needs recall and speed unless it was asked for, and the sentence says which."""
    choice = decide(64, Measured(recall, 2.0, hnsw_ms, "gallery", 50, 9999), pinned=pinned)
    assert choice.search == search
    assert choice.ef == (64 if search == "hnsw" else None)
    assert words in choice.how


def test_no_graph_is_built_without_need():
    """Small galleries, a pinned exact search and a gallery that has not doubled build no graph."""
    vectors = clustered(EXACT_BELOW, 4)
    lost = decide(512, Measured(0.5, 2.0, 1.0, "gallery", 50, len(vectors) // 2 + 1), pinned=False)
    won_at_half = decide(
        512, Measured(0.5, 2.0, 1.0, "gallery", 50, len(vectors) // 2), pinned=False
    )

    def build():
        raise AssertionError("a graph was built")

    assert choose(vectors[:-1], None, build, start(None))[0].search == "exact"
    assert choose(vectors, None, build, start("exact"))[0].pinned
    assert choose(vectors, None, build, lost) == (lost, None)
    with pytest.raises(AssertionError, match="a graph was built"):
        choose(vectors, None, build, won_at_half)


def test_unreachable_rows_are_found_exactly():
    """Where hnswlib refuses to answer with fewer than k rows, all k come from exact search."""
    gallery = np.repeat(clustered(5, 8), 300, axis=0)
    graph = Graph.build(gallery, threads=1)
    graph._index.set_ef(len(gallery))
    with pytest.raises(RuntimeError, match="contiguous"):
        graph._index.knn_query(gallery[:1], len(gallery))
    queries = clustered(3, 8, seed=1)
    hits = graph.search(gallery, queries, len(gallery) + 5, 10)
    truth = search_exact(gallery, queries, len(gallery))
    np.testing.assert_array_equal(hits.rows, truth.rows)


def test_extended_graph_is_as_good_as_a_new_one(tmp_path):
    """Rows added to and moved in a loaded graph are found like those of a fresh graph."""
    gallery = clustered(3000, 32)
    old = gallery[:1500].copy()
    old[::5] = clustered(300, 32, seed=4)
    first = Graph.build(old, threads=1)
    first.save(tmp_path / "graph.hnsw")
    graph = Graph.load(tmp_path / "graph.hnsw", 32, 1500, room=1500)
    changed = np.concatenate([np.arange(0, 1500, 5), np.arange(1500, 3000)])
    graph.update(gallery, changed, threads=1)
    queries = clustered(200, 32, seed=5)
    truth = search_exact(gallery, queries, 10)
    assert recall_of(graph.search(gallery, queries, 10, 64), truth) >= 0.97
