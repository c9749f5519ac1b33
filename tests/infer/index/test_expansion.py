"""Expanded queries: one cosine search in a joint space, by known answers and a dense parity."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.infer.index.conftest import unit
from zscr.errors import InputError
from zscr.infer.index.exact import search_exact
from zscr.infer.index.expansion import (
    Expansion,
    mean_features,
    search_candidates,
    search_expanded,
)
from zscr.infer.index.index import Change, Index


def random_rows(count: int, dim: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, dim)))


@settings(max_examples=60)
@given(
    st.integers(0, 999), st.integers(1, 8), st.floats(0.1, 3), st.integers(1, 3), st.integers(1, 30)
)
def test_it_is_the_dense_iteration(seed, k, weight, rounds, wanted):
    """T = S, then `rounds` times T = S + w (unit mean feature of the top k of T) · u."""
    vectors, features = random_rows(20, 5, seed), random_rows(20, 4, seed + 1)
    queries = random_rows(3, 5, seed + 2)
    first = queries.astype(np.float64) @ vectors.T
    total = first
    for _ in range(rounds):
        best = np.argsort(-total, axis=1)[:, :k]
        total = first + weight * (unit(features[best].mean(axis=1)) @ features.T)
    found = search_expanded(vectors, features, queries, wanted, Expansion(k, weight, rounds))
    order = np.argsort(-total, axis=1)[:, :wanted]
    np.testing.assert_array_equal(found.rows, order)
    scores = np.take_along_axis(total, order, 1) / (1 + weight)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)


def test_its_score_is_a_cosine_up_to_a_factor():
    """(q·p + w m·u) / (1 + w) is √2 √(1 + w²) / (1 + w) times the cosine in the joint space."""
    vectors, features, weight = random_rows(30, 5, 1), random_rows(30, 4, 2), 0.7
    query = random_rows(1, 5, 3)
    found = search_expanded(vectors, features, query, 30, Expansion(5, weight, rounds=1))
    best = search_exact(vectors, query, 5).rows
    joint = np.hstack([query, weight * mean_features(features, best)])
    cosines = unit(np.hstack([vectors, features]))[found.rows[0]] @ unit(joint)[0]
    factor = np.sqrt(2 * (1 + weight**2)) / (1 + weight)
    np.testing.assert_allclose(found.scores[0], factor * cosines, atol=1e-6)
    assert np.abs(found.scores).max() <= 1


def test_images_like_the_first_found_rise():
    """By hand: the text finds a (cosine 1), then b (.6), then c (.5), which looks like a."""
    vectors = unit([[1, 0], [0.6, 0.8], [0.5, 3**0.5 / 2]])
    features = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    query = vectors[:1]
    assert search_expanded(vectors, features, query, 3, Expansion(1, 0.05)).rows.tolist() == [
        [0, 1, 2]
    ]
    found = search_expanded(vectors, features, query, 3, Expansion(1, 1.0))
    assert found.rows.tolist() == [[0, 2, 1]]
    np.testing.assert_allclose(found.scores, [[1, 0.75, 0.3]], atol=1e-6)


def test_candidates_bound_what_is_found():
    """All of them is the exact answer; a few are ranked as exactly, and no others are found."""
    vectors, features = random_rows(50, 5, 4), random_rows(50, 4, 5)
    queries, expansion = random_rows(6, 5, 6), Expansion(3, 1.4, 3)
    exact = search_expanded(vectors, features, queries, 50, expansion)
    pool = search_exact(vectors, queries, 50).rows
    every = search_candidates(vectors, features, queries, 50, expansion, pool)
    np.testing.assert_array_equal(every.rows, exact.rows)
    np.testing.assert_array_equal(every.scores, exact.scores)
    few = search_candidates(vectors, features, queries, 4, expansion, pool[:, :10])
    assert all(set(rows) <= set(own[:10]) for rows, own in zip(few.rows, pool, strict=True))
    assert not np.array_equal(few.rows, exact.rows[:, :4])


@pytest.mark.parametrize("search", ["exact", "hnsw"])
def test_an_index_expands_queries(tmp_path, entries, embed, entry, create, search):
    """Exact and HNSW give one answer, alone or in a batch, also reopened and asked exactly."""
    features = random_rows(60, 4, 7)
    index = create(tmp_path / "index", entries, search=search, features=features)
    queries = embed([entry(str(number)) for number in range(9)])
    halves = features.astype(np.float16).astype(np.float32)
    wanted = search_expanded(index.vectors, halves, queries, 7, Expansion(5))
    for opened in (index, Index.open(tmp_path / "index")):
        found = opened.search(queries, 7, expansion=Expansion(5))
        rows = [[entries.index(match.entry) for match in row] for row in found]
        np.testing.assert_array_equal(rows, wanted.rows)
        assert found == [
            *(opened.search(query[None], 7, expansion=Expansion(5))[0] for query in queries)
        ]
        assert found == opened.search(queries, 7, expansion=Expansion(5), exact=True)


def test_what_cannot_expand_is_refused(tmp_path, entries, embed, create):
    """More images than the gallery has, fewer than one, and an index without features."""
    for wrong in ({"k": 0}, {"k": 3, "rounds": 0}, {"k": 3, "weight": 0}):
        with pytest.raises(InputError, match="adds nothing"):
            Expansion(**wrong)
    index = create(tmp_path / "index", entries, features=random_rows(60, 4, 8))
    with pytest.raises(InputError, match="top 61 of 60 images"):
        index.search(embed(entries[:1]), 3, expansion=Expansion(61))
    assert len(index.search(embed(entries[:1]), 3, expansion=Expansion(60))[0]) == 3
    plain = create(tmp_path / "plain", entries)
    with pytest.raises(InputError, match="no image features to expand"):
        plain.search(embed(entries[:1]), 3, expansion=Expansion(5))
    assert plain.apply(Change(entries[:1], embed(entries[:1]))).unchanged == 1
