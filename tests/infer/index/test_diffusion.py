"""Neighbours of images and diffusion over their graph: against dense algebra, and at the edges."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.infer.index.conftest import unit
from zscr.errors import InputError
from zscr.infer.index.diffusion import NeighbourGraph, diffuse, neighbours


def dense(features: np.ndarray, k: int) -> np.ndarray:
    """Return L of the definition, (N, N), in float64 and without any sparse step."""
    cosines = features.astype(np.float64) @ features.T.astype(np.float64)
    np.fill_diagonal(cosines, -np.inf)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
    joined = np.zeros_like(cosines)
    np.put_along_axis(joined, nearest, np.take_along_axis(cosines, nearest, 1).clip(0) ** 3, 1)
    joined = np.maximum(joined, joined.T)
    degree = joined.sum(1)
    root = np.divide(1, np.sqrt(degree), out=np.zeros_like(degree), where=degree > 0)
    scaled: np.ndarray = joined * root[:, None] * root
    return scaled


def random_rows(count: int, dim: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).normal(size=(count, dim)))


def test_the_graph_is_the_dense_one() -> None:
    """Sparse rows hold L of the definition, and their product is L's."""
    features, rows = random_rows(300, 6, 0), random_rows(300, 7, 1)
    graph, wanted = NeighbourGraph.of(features, 10), dense(features, 10)
    np.testing.assert_allclose(graph.spread(np.eye(300, dtype=np.float32)), wanted, atol=1e-6)
    np.testing.assert_allclose(graph.spread(rows), wanted @ rows, atol=1e-6)
    assert len(graph.columns) == np.count_nonzero(wanted)


@pytest.mark.parametrize("steps", [1, 10])
def test_diffusion_is_the_truncated_series(steps: int) -> None:
    """Q = sum of (alpha L)^i P for i = 0 .. steps, rows scaled to unit length."""
    features, rows = random_rows(80, 6, 2), random_rows(80, 5, 3)
    power, total = np.eye(80), np.eye(80)
    for _ in range(steps):
        power = 0.8 * dense(features, 5) @ power
        total += power
    found = diffuse(rows, features, k=5, alpha=0.8, steps=steps)
    np.testing.assert_allclose(found, unit(total @ rows), atol=2e-6)


def test_many_steps_reach_the_closed_form() -> None:
    """Zhou et al.: the limit is (I - alpha L)^-1 P."""
    features, rows = random_rows(60, 6, 4), random_rows(60, 5, 5)
    limit = np.linalg.solve(np.eye(60) - 0.9 * dense(features, 10), rows.astype(np.float64))
    found = diffuse(rows, features, steps=300)
    np.testing.assert_allclose(found, unit(limit), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 14), st.integers(1, 12), st.integers(0, 99), st.integers(1, 3))
def test_any_gallery_is_diffused(count: int, k: int, seed: int, kinds: int) -> None:
    """Fewer images than neighbours, twins and lone images: unit rows that depend on nothing else.

    The features are few axes, so that images are either twins (cosine 1) or alike in nothing.
    """
    rng = np.random.default_rng(seed)
    features = np.eye(kinds, dtype=np.float32)[rng.integers(kinds, size=count)]
    rows = random_rows(count, 4, seed)
    found = diffuse(rows, features, k=k)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    alone = (features @ features.T).sum(1) == 1
    np.testing.assert_allclose(found[alone], rows[alone], atol=1e-6)
    assert diffuse(rows, features, k=k).tobytes() == found.tobytes()


def test_a_row_is_never_its_own_neighbour() -> None:
    """Not even among more twins than there are neighbours."""
    twins = np.repeat(random_rows(2, 4, 6), 9, axis=0)
    near = neighbours(twins, 3)
    assert near.rows.shape == (18, 3)
    assert (near.rows != np.arange(18)[:, None]).all()
    np.testing.assert_allclose(near.scores, 1, atol=1e-6)


def test_hnsw_finds_the_neighbours_of_large_galleries(
    clustered: Callable[..., np.ndarray],
) -> None:
    """At least 98 of 100 neighbours are the exact ones, and a rerun finds the same."""
    features = clustered(1500, 16)
    exact = neighbours(features, 10)
    found = neighbours(features, 10, exact_up_to=1000)
    same = [len(set(a) & set(b)) for a, b in zip(found.rows, exact.rows, strict=True)]
    assert np.mean(same) / 10 > 0.98
    assert neighbours(features, 10, exact_up_to=1000).rows.tobytes() == found.rows.tobytes()


def test_what_diffuses_nothing_is_refused() -> None:
    """One sentence each, with the number."""
    rows = random_rows(5, 4, 7)
    for wrong in ({"k": 0}, {"alpha": 1.0}, {"alpha": 0.0}, {"steps": 0}):
        value = next(iter(wrong.values()))
        with pytest.raises(InputError, match=str(value)):
            diffuse(rows, rows, **wrong)  # type: ignore[arg-type]
