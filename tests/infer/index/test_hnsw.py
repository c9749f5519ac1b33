"""HNSW against exact search: what it finds, what it cannot reach, what it becomes by changes."""

from __future__ import annotations

import hnswlib
import numpy as np
import pytest

from zscr.infer.index.exact import answered, search_exact
from zscr.infer.index.hnsw import Hnsw


def found_share(gallery, queries, hits, k):
    """Share of the k best, by a full float64 sort, that was hit; no two scores are equal."""
    scores = queries.astype(np.float64) @ gallery.T.astype(np.float64)
    best = np.argsort(-scores, axis=1)[:, :k]
    pairs = zip(hits.rows.tolist(), best.tolist(), strict=True)
    return sum(len(set(rows) & set(right)) for rows, right in pairs) / best.size


def test_it_finds_what_exact_search_finds(clustered):
    """More with a larger ef, up to nearly all; a row that both find has one and the same score."""
    gallery, queries = clustered(4000, 64), clustered(100, 64, seed=2)
    hnsw, truth = Hnsw.build(gallery, threads=2), search_exact(gallery, queries, 10)
    hits = {ef: hnsw.search(gallery, queries, 10, ef) for ef in (10, 64, 512)}
    shares = [found_share(gallery, queries, hits[ef], 10) for ef in hits]
    assert shares == sorted(shares)
    assert shares[0] < 0.99
    assert shares[-1] >= 0.99
    same = hits[512].rows == truth.rows
    np.testing.assert_array_equal(hits[512].scores[same], truth.scores[same])


def test_ties_go_to_the_lower_row(clustered):
    """As in exact search."""
    gallery = np.tile(clustered(9, 16), (4, 1))
    hits = Hnsw.build(gallery, threads=1).search(gallery, gallery[:9], 4, 200)
    rows = [[row, row + 9, row + 18, row + 27] for row in range(9)]
    np.testing.assert_array_equal(hits.rows, rows)


def test_unreachable_rows_are_found_exactly(clustered, tmp_path):
    """Where hnswlib refuses to answer with fewer than k rows, all k come from exact search."""
    gallery = np.repeat(clustered(5, 8), 300, axis=0)
    hnsw = Hnsw.build(gallery, threads=1)
    hnsw.save(tmp_path / "hnsw.bin")
    bare = hnswlib.Index(space="ip", dim=8)
    bare.load_index(str(tmp_path / "hnsw.bin"))
    bare.set_ef(len(gallery))
    with pytest.raises(RuntimeError, match="contiguous"):
        bare.knn_query(gallery[:1], 900)
    queries = clustered(3, 8, seed=1)
    for k in (900, len(gallery) + 5):
        hits, truth = hnsw.search(gallery, queries, k, 10), search_exact(gallery, queries, k)
        np.testing.assert_array_equal(hits.rows, truth.rows)
        np.testing.assert_array_equal(hits.scores, truth.scores)


def test_an_answer_does_not_depend_on_its_batch(clustered):
    """Forty queries are scored in several blocks; each is answered as it is alone."""
    gallery, queries = clustered(2000, 64), clustered(40, 64, seed=4)
    hnsw = Hnsw.build(gallery, threads=1)
    batch = hnsw.search(gallery, queries, 200, 400)
    alone = [hnsw.search(gallery, query[None], 200, 400) for query in queries]
    np.testing.assert_array_equal(batch.rows, np.concatenate([hits.rows for hits in alone]))
    np.testing.assert_array_equal(batch.scores, np.concatenate([hits.scores for hits in alone]))


def test_a_query_with_too_few_candidates_is_answered_exactly(clustered):
    """And the others of its batch by theirs, of which -1 is none."""
    gallery, queries = clustered(50, 8), clustered(3, 8, seed=1)
    truth = search_exact(gallery, queries, 50)
    rows = np.array([[4, 1, -1, 2], [-1, 7, -1, 3], [30, 8, 11, 40]])
    hits = answered(gallery, queries, rows, 3)
    for row, candidates in enumerate([{4, 1, 2}, {*range(50)}, {30, 8, 11, 40}]):
        best = [one for one in truth.rows[row].tolist() if one in candidates]
        assert hits.rows[row].tolist() == best[:3]


def known(vectors):
    """Say that each label is the number of a row of these."""
    return lambda labels: (np.arange(len(labels)), vectors[labels])


def test_grown_is_as_good_as_new(clustered, tmp_path):
    """Rows added to one that was loaded are found like those of a new one; hidden ones are not."""
    gallery = clustered(3000, 32)
    Hnsw.build(gallery[:1500], threads=1).save(tmp_path / "hnsw.bin")
    content = bytearray((tmp_path / "hnsw.bin").read_bytes())
    grown = Hnsw.load(content, 32, known(gallery))
    grown.add(gallery[1500:], np.arange(1500, 3000), threads=1)
    queries = clustered(200, 32, seed=5)
    hits = grown.search(gallery, queries, 10, 64)
    assert found_share(gallery, queries, hits, 10) >= 0.97
    gone = np.arange(0, 3000, 5)
    grown.hide(gone)
    grown.hide(np.array([0, 7, 9999]))  # one that is hidden, one that is there, one that never was
    assert grown.count == 3000 - 601
    left = np.setdiff1d(np.arange(3000), [*gone, 7])
    truth = search_exact(gallery[left], queries, 10)
    found = np.array(grown.candidates(queries, 10, 64))
    assert not np.isin(found, [*gone, 7]).any()
    shared = [len({*own} & {*left[right]}) for own, right in zip(found, truth.rows, strict=True)]
    assert np.mean(shared) >= 9.7


def test_one_thread_gives_the_same_bytes(clustered, tmp_path):
    """So that an index can be made again and compared; loaded and saved, too."""
    gallery = clustered(500, 16)
    for name in ("a", "b"):
        Hnsw.build(gallery, threads=1).save(tmp_path / name)
    first = (tmp_path / "a").read_bytes()
    Hnsw.load(bytearray(first), 16, known(gallery)).save(tmp_path / "c")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes() == first
