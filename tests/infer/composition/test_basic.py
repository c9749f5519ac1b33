"""BASIC's algebra, against a version that follows the published steps one number at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zscr.infer.composition.affine import affine, projected
from zscr.infer.composition.basic import HARRIS, Basic, divisors, least
from zscr.infer.composition.composition import Fusion
from zscr.infer.composition.context import mean_phrase, phrases
from zscr.infer.composition.contrastive import contrastive_columns
from zscr.infer.composition.expansion import expanded
from zscr.infer.composition.fusion import fused

Rows = Any


def unit(rows: Rows) -> Rows:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def world() -> dict[str, Rows]:
    """Embeddings of a made encoder of 12 numbers, whose texts and images lie apart."""
    rng = np.random.default_rng(3)
    gap = 0.4 * rng.standard_normal(12)
    shapes = {"objects": 40, "styles": 15, "phrases": 8}
    texts = {k: unit(rng.standard_normal((n, 12)) + gap) for k, n in shapes.items()}
    images = {k: unit(rng.standard_normal((n, 12)) - gap) for k, n in {"x": 30, "v": 4}.items()}
    return texts | images


def brute_force(world: Rows, query: int, *, expand: bool, paper: bool) -> list[float]:
    """Steps 1 to 7 of BASIC for one query, written from the description alone."""
    objects, styles, x = world["objects"], world["styles"], world["x"]
    dim, n, m = x.shape[1], len(objects), len(styles)
    mu_t = [sum(objects[i][d] for i in range(n)) / n for d in range(dim)]
    mu_v = [sum(image[d] for image in x) / len(x) for d in range(dim)]
    t = [sum(row[d] for row in world["phrases"]) / len(world["phrases"]) for d in range(dim)]
    norm = sum(value**2 for value in t) ** 0.5
    t = [value / norm - mu_t[d] for d, value in enumerate(t)]
    c = np.empty((dim, dim))
    for i in range(dim):
        for j in range(dim):
            a = sum((row[i] - mu_t[i]) * (row[j] - mu_t[j]) for row in objects) / (n - 1)
            b = sum((row[i] - mu_t[i]) * (row[j] - mu_t[j]) for row in styles) / (m - 1)
            c[i, j] = 0.8 * a - 0.2 * b + 1e-5
    values, vectors = np.linalg.eig(c)
    p = sum(
        np.outer(vectors[:, i].real, vectors[:, i].real) for i in range(dim) if values[i].real > 0
    )
    q = p @ (world["v"][query] - mu_v)
    if expand:
        first = sorted(((float(q @ (y - mu_v)), -i) for i, y in enumerate(x)), reverse=True)[:25]
        pool = [(1.0, world["v"][query] - mu_v), *((s, x[-i] - mu_v) for s, i in first)]
        total = sum(np.exp(0.1 * s) for s, _ in pool)
        q = p @ sum(np.exp(0.1 * s) / total * row for s, row in pool)
    m_v = min(float((a - mu_v) @ (b - mu_v)) for a in x for b in x)
    m_t = min(float((a - mu_t) @ (b - mu_v)) for a in styles for b in x)
    found = []
    for image in x:
        s_v = max(0.0, (float(q @ (image - mu_v)) - m_v) / abs(m_v))
        s_t = max(0.0, (float(np.dot(t, image - mu_v)) - m_t) / abs(m_t if paper else m_v))
        found.append(s_t * s_v - 0.1 * (s_t + s_v) ** 2)
    return found


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("divisor", ["first", "own"])
def test_basic_is_what_the_steps_give(world: Rows, expand: bool, divisor: str) -> None:
    """Centring, projection, expansion, minima with either divisor, Harris: to 1e-5."""
    known = Basic.of(world["objects"], world["styles"])
    mean = world["x"].mean(axis=0)
    text = np.tile(mean_phrase(world["phrases"]), (4, 1))
    images = world["v"]
    if expand:
        channel, _ = known.channels(images, text, mean)
        scores = channel.scores(world["x"])
        best = np.argsort(-scores, axis=1)[:, :25]
        rows = [
            expanded(images[i] - mean, world["x"][best[i]] - mean, scores[i, best[i]], 0.1)
            for i in range(4)
        ]
        images = np.stack(rows) + mean
    channels = known.channels(images, text, mean)
    centred = world["x"] - mean
    minima = least(centred, centred), least(world["styles"] - known.text_mean, centred)
    named = zip(channels, minima, divisors(minima, divisor), strict=True)
    scores = [one.normalised(low, size).scores(world["x"]) for one, low, size in named]
    found = fused(scores, HARRIS)
    for query in range(4):
        wanted = brute_force(world, query, expand=expand, paper=divisor == "own")
        assert found[query] == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_the_projection_is_symmetric_and_idempotent(world: Rows) -> None:
    """P' = P and P P = P; its rank is the number of positive eigenvalues, or what is allowed."""
    mean = world["objects"].mean(axis=0)
    a, b = world["objects"] - mean, world["styles"] - mean
    c = 0.8 * a.T @ a / 39 - 0.2 * b.T @ b / 14 + 1e-5
    positive = int((np.linalg.eigvalsh(c) > 0).sum())
    for most, rank in ((250, positive), (5, 5)):
        columns = contrastive_columns(world["objects"], world["styles"], mean, most=most)
        p = projected(np.eye(12), columns)
        assert p == pytest.approx(p.T, abs=1e-6)
        assert projected(p, columns) == pytest.approx(p, abs=1e-6)
        assert np.linalg.matrix_rank(p, tol=1e-3) == columns.shape[1] == rank


def test_few_words_leave_a_direction_that_only_the_lift_decides() -> None:
    """Of objects that differ in one direction alone, the other kept one is that of all ones."""
    objects = np.array([[0.6, 0.8, 0, 0], [-0.6, 0.8, 0, 0]])
    columns = contrastive_columns(objects, np.tile(objects.mean(axis=0), (2, 1)), objects.mean(0))
    assert columns.shape == (4, 2)
    assert np.abs(columns[:, 0]) == pytest.approx([1, 0, 0, 0], abs=1e-4)
    assert np.abs(columns[1:, 1]) == pytest.approx([3**-0.5] * 3, abs=1e-4)


@given(st.integers(0, 2**32 - 1))
def test_an_affine_channel_is_one_inner_product(seed: int) -> None:
    """(P q)·(x - μ), normalised, is the unit direction's product, put back; to 1e-6."""
    rng = np.random.default_rng(seed)
    x, q, mean = unit(rng.standard_normal((9, 7))), rng.standard_normal((3, 7)), rng.normal(size=7)
    basis = np.linalg.qr(rng.standard_normal((7, 4)))[0]
    low, size = rng.uniform(-1, 1), rng.uniform(0.2, 2)
    wanted = ((q @ basis @ basis.T) @ (x - mean).T - low) / size
    channel = affine(projected(q, basis), mean)
    assert np.linalg.norm(channel.directions, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    assert channel.normalised(low, size).scores(x) == pytest.approx(wanted, rel=1e-6, abs=3e-6)


@given(st.floats(0.01, 100), st.floats(0.01, 100))
def test_the_lengths_of_the_vectors_change_no_order(first: float, second: float) -> None:
    """Of one channel; and of the product of both, which they only multiply."""
    rng = np.random.default_rng(0)
    a, b, x = (unit(rng.standard_normal((n, 5))) for n in (2, 2, 20))
    plain = fused([affine(a).scores(x), affine(b).scores(x)], Fusion("product"))
    scaled = fused([affine(first * a).scores(x), affine(second * b).scores(x)], Fusion("product"))
    assert scaled == pytest.approx(plain * first * second, rel=1e-5, abs=1e-9)
    assert affine(first * a).directions == pytest.approx(affine(a).directions, abs=1e-6)


def test_a_vector_of_zeros_says_the_same_of_every_image() -> None:
    """As of a text that is the mean of texts: no division by its length."""
    channel = affine(np.zeros((1, 3)), np.ones(3))
    assert channel.scores(np.eye(3)) == pytest.approx(np.zeros((1, 3)))
    assert np.linalg.norm(channel.directions) == 1


def test_a_text_stands_in_front_of_each_word_and_behind() -> None:
    """200 phrases of 100 words, the text alone in none; the mean is of unit length."""
    assert phrases("sketch", ["dog", "boat"]) == [
        "dog sketch",
        "boat sketch",
        "sketch dog",
        "sketch boat",
    ]
    assert mean_phrase(np.array([[1.0, 0], [0, 1]])) == pytest.approx([0.5**0.5] * 2)


def test_images_that_are_all_alike_divide_by_no_zero() -> None:
    """Centred they are zero, and so is the least that they score."""
    assert divisors((0.0, -2.0), "own") == (1e-6, 2.0)
    assert divisors((-0.5, -2.0), "first") == (0.5, 0.5)
