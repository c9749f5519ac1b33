"""Exact search against brute force that is written anew here, with more digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.infer.index.exact import multiply, search_exact


def cosines(gallery, queries):
    """All (B, N) products, summed in 80-bit floats."""
    wide = gallery.astype(np.longdouble)
    return np.stack([(wide * query.astype(np.longdouble)).sum(1) for query in queries])


def ranked(scores, k):
    """The k best rows of each query by sorting all of them, the lower of two equals first."""
    return np.array(
        [sorted(range(len(row)), key=lambda n, row=row: (-row[n], n))[:k] for row in scores]
    )


def test_exact_search_is_brute_force(clustered):
    """The blocked float32 search returns what a full sort returns, with its scores."""
    gallery, queries = clustered(5000, 64), clustered(12, 64, seed=1)
    scores = cosines(gallery, queries)
    rows = ranked(scores, 10)
    hits = search_exact(gallery, queries, 10)
    np.testing.assert_array_equal(hits.rows, rows)
    np.testing.assert_allclose(hits.scores, np.take_along_axis(scores, rows, 1), atol=1e-14)


def test_more_scores_than_are_held_at_once(clustered):
    """Queries behind the first block are answered as those in it are."""
    gallery, queries = clustered(200_000, 4), clustered(90, 4, seed=1)
    hits = search_exact(gallery, queries, 1)
    for row in (0, 82, 83, 84, 89):  # a block holds 83 of them
        assert hits.rows[row, 0] == np.argmax(cosines(gallery, queries[row : row + 1]))
    assert len(hits.rows) == 90


def test_ties_go_to_the_lower_row_in_any_batch(clustered):
    """Identical images come in the order of their rows, and one query gets its batch's answer."""
    gallery = np.tile(clustered(7, 48), (50, 1))
    queries = clustered(33, 48, seed=1)
    batch = search_exact(gallery, queries, 170)
    single = [search_exact(gallery, query[None], 170) for query in queries]
    np.testing.assert_array_equal(batch.rows, np.concatenate([hits.rows for hits in single]))
    np.testing.assert_array_equal(batch.scores, np.concatenate([hits.scores for hits in single]))
    tied = np.diff(batch.scores, axis=1) == 0
    assert tied.sum() == 33 * 166
    assert (np.diff(batch.rows, axis=1)[tied] == 7).all()


def near_ties(seed, dim, spread, count=300):
    """A gallery whose float32 products are all within their rounding error of each other."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=dim)
    rows = centre / np.linalg.norm(centre) + spread * rng.normal(size=(count, dim)) / dim**0.5
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_float32_products_alone_would_lose_images():
    """The galleries of the next test are as nasty as they have to be."""
    gallery, query = near_ties(0, 256, 3e-7), near_ties(1, 256, 1e-7)[:1]
    right = set(ranked(cosines(gallery, query), 10)[0])
    products = (query @ gallery.T)[0]
    kth = np.sort(products)[-10]
    assert not right <= set(np.flatnonzero(products >= kth))


@settings(max_examples=30)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([3, 17, 64, 256, 768]),
    st.sampled_from([0.0, 1e-8, 1e-7, 3e-7, 1e-6]),
    st.integers(1, 40),
    st.sampled_from([1, 2, 10, 299, 300, 400]),
)
def test_rounding_loses_no_image_in_any_batch(seed, dim, spread, batch, k):
    """Among near ties the k best by many digits are found, whatever else is asked at once."""
    gallery = near_ties(seed, dim, spread)
    queries = np.concatenate([near_ties(seed + 1, dim, 0.5, batch), gallery[:1]])
    hits = search_exact(gallery, queries, k)
    scores = cosines(gallery, queries)
    best = -np.sort(-scores, axis=1)[:, :k]
    np.testing.assert_allclose(hits.scores, best, rtol=0, atol=1e-14)
    found = np.take_along_axis(scores, hits.rows, 1)
    np.testing.assert_allclose(found, hits.scores, rtol=0, atol=1e-14)
    assert all(len(set(rows)) == min(k, 300) for rows in hits.rows.tolist())
    alone = search_exact(gallery, queries[-1:], k)
    np.testing.assert_array_equal(hits.rows[-1], alone.rows[0])
    np.testing.assert_array_equal(hits.scores[-1], alone.scores[0])


@pytest.mark.parametrize("batch", [1, 2, 8, 9])
def test_products_of_few_queries_are_those_of_many(clustered, batch):
    """Over rows that are taken in several blocks, the last of which is shorter."""
    rows, queries = clustered(9001, 64), clustered(batch, 64, seed=1)
    right = queries.astype(np.float64) @ rows.T.astype(np.float64)
    np.testing.assert_allclose(multiply(rows, queries), right, rtol=0, atol=1e-6)


@pytest.mark.parametrize("k", [1, 5, 6, 1000])
def test_no_more_than_there_is(clustered, k):
    """A k above the gallery's size gives all of it."""
    hits = search_exact(clustered(5, 8), clustered(3, 8, seed=1), k)
    assert hits.rows.shape == hits.scores.shape == (3, min(k, 5))
