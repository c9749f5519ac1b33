"""Fused search by lists: what it returns is what scoring every image returns, also in its order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from zscr.infer.composition.affine import affine
from zscr.infer.composition.candidates import search_fused
from zscr.infer.composition.composition import Fusion

FUSIONS = [Fusion("product"), Fusion("harris", value=0.1), Fusion("cdf", value=0.5)]


@dataclass
class Matrix:
    """A gallery in memory, which counts what is asked of it."""

    vectors: Any
    lists: int = 0

    @property
    def rows(self) -> Any:
        return np.arange(len(self.vectors))

    def nearest(self, direction: Any, n: int) -> tuple[Any, Any]:
        self.lists += 1
        [products] = self.products(direction[None], self.rows)
        order = np.lexsort((self.rows, -products))[:n]
        return order, products[order]

    def products(self, directions: Any, rows: Any) -> Any:
        wide = self.vectors[rows].astype(np.float64)
        return np.stack([(wide * one).sum(axis=1) for one in directions])


def unit(rows: Any) -> Any:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def channels_of(rng: Any, x: Any) -> tuple[Any, Any]:
    """A query's channels, centred, normalised by their minima; and their moments."""
    mean = x.mean(axis=0)
    pair = [affine(rng.standard_normal((1, x.shape[1])), mean) for _ in range(2)]
    lows = [float(one.scores(x).min()) * 0.6 for one in pair]
    pair = [one.normalised(low, abs(low)) for one, low in zip(pair, lows, strict=True)]
    return pair, [one.moments(mean, np.cov(x.T, bias=True)) for one in pair]


@pytest.mark.parametrize("fusion", FUSIONS, ids=lambda fusion: fusion.kind)
def test_the_certificate_holds_on_2000_queries(fusion: Fusion) -> None:
    """Short lists that double until they prove the top k: every answer is the whole gallery's."""
    rng = np.random.default_rng(5)
    proved = doubled = 0
    for case in range(100):
        x = unit(rng.standard_normal((int(rng.integers(150, 400)), 6)))
        x[::7] = x[0]  # images that are equal come in the order of their rows
        for _ in range(20):
            pair, moments = channels_of(rng, x)
            k, gallery = int(rng.integers(1, 8)), Matrix(x)
            found = search_fused(gallery, pair, fusion, k, moments=moments, start=16, whole=10)
            wanted = search_fused(Matrix(x), pair, fusion, k, moments=moments, whole=10**6)
            assert found.rows.tolist() == wanted.rows.tolist(), case
            assert found.scores.tolist() == wanted.scores.tolist()
            proved += not found.whole
            doubled += gallery.lists > 2
            assert wanted.whole
            assert wanted.read == len(x)
            assert len(found.rows) == k
    assert min(proved, doubled) > 200, (proved, doubled)


def test_moments_of_the_gallery_are_those_of_its_scores() -> None:
    """Of a centred and normalised channel, from the mean and covariance of the rows alone."""
    rng = np.random.default_rng(2)
    x = unit(rng.standard_normal((50, 6)))
    pair, moments = channels_of(rng, x)
    for one, (mean, std) in zip(pair, moments, strict=True):
        scores = one.scores(x)
        assert mean[0, 0] == pytest.approx(scores.mean(), abs=1e-6)
        assert std[0, 0] == pytest.approx(scores.std(), rel=1e-5)


def test_more_images_than_there_are() -> None:
    """All of them, once each."""
    x = unit(np.random.default_rng(0).standard_normal((30, 6)))
    pair, _ = channels_of(np.random.default_rng(1), x)
    found = search_fused(Matrix(x), pair, Fusion("product"), 100)
    assert sorted(found.rows.tolist()) == list(range(30))
    assert found.whole
