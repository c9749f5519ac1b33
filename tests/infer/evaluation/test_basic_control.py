"""BASIC and FreeDom as controls: against every step written out, and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.data.records import Query
from zscr.data.relevance import ByItem, Truth
from zscr.infer.evaluation.controls.basic import basic_ways
from zscr.infer.evaluation.controls.freedom import freedom_way
from zscr.infer.evaluation.controls.fusions import Parts

Q, G, D = 3, 40, 6


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture
def parts(embedded_of):
    """Three queries over forty images; each leaves its own reference out of its ranking alone."""
    rng = np.random.default_rng(5)
    gallery = np.float32(unit(rng.standard_normal((G, D)) + [2, 0, 0, 0, 0, 0]))
    ids = tuple(f"g{n}" for n in range(G))
    truths = [Truth({f"g{9 - n}": 1.0}, (f"g{n}",)) for n in range(Q)]
    task = embedded_of(
        np.eye(Q, D),
        gallery,
        "abc",
        ids,
        gallery=ids,
        relevance=ByItem(truths, ids),
        queries=tuple(Query(str(n), "in red", f"{n}.png") for n in range(Q)),
    ).task
    text = np.float32(unit(rng.standard_normal((Q, D)) + [0, 2, 0, 0, 0, 0]))
    phrased = np.float32(unit(rng.standard_normal((Q, D))))
    texts = ["in red", "in blue", "in red"]
    return Parts(task, gallery[:Q], text, gallery, texts, phrased=phrased)


def by_hand(parts, objects, styles, expand, value=0.1):
    """Follow the published steps one image at a time; minima over the whole gallery."""
    mean, text_mean = parts.gallery.mean(0), objects.mean(0)
    a, b = objects - text_mean, styles - text_mean
    matrix = 0.8 * a.T @ a / (len(a) - 1) - 0.2 * b.T @ b / (len(b) - 1) + 1e-5
    values, vectors = np.linalg.eigh(matrix)
    basis = vectors[:, values > 0]
    assert basis.shape == (D, D - 1)  # what styles differ in is left out
    projection, found = basis @ basis.T, np.zeros((Q, G))
    centred = parts.gallery - mean
    least_image = min(float(x @ y) for x in centred for y in centred)
    samples = np.concatenate([objects, styles]) - text_mean  # fewer than 128 of each: all
    least_text = min(float(t @ y) for t in samples for y in centred)
    for row in range(Q):
        query = projection @ (parts.image[row] - mean)
        if expand:
            scores = centred @ query
            best = np.argsort(-scores, kind="stable")[:25]
            raised = np.exp(0.1 * np.array([1.0, *scores[best]]))
            rows = [parts.image[row] - mean, *centred[best]]
            query = projection @ (raised @ np.stack(rows) / raised.sum())
        for place in range(G):
            image = max((query @ centred[place] - least_image) / abs(least_image), 0)
            text = (parts.phrased[row] - text_mean) @ centred[place]
            text = max((text - least_text) / abs(least_image), 0)
            found[row, place] = image * text - value * (image + text) ** 2
    return found


def test_basic_is_what_every_step_written_out_is(parts):
    """Centred, projected, expanded or not, normalised by measured minima, fused by Harris."""
    rng = np.random.default_rng(6)
    objects = np.float32(unit(rng.standard_normal((30, D))))
    styles = np.float32(unit(rng.standard_normal((20, D)) * [9, 1, 1, 1, 1, 1]))
    plain, expanded = basic_ways(objects, styles, "by hand")
    assert [plain.name, expanded.name] == ["BASIC", "BASIC, expanded"]
    for way, expand in ((plain, False), (expanded, True)):
        for value in (0.1, 0.05):
            ranked = way.rank(parts, {"lambda": value})
            scores = np.concatenate([ranked.scores(row) for row in range(Q)])
            expected = by_hand(parts, objects, styles, expand, value)
            np.testing.assert_allclose(scores, expected, atol=2e-5)
    assert plain.judged(parts, None)[1] == {"published": {"lambda": 0.1}, "about": "by hand"}


def test_freedom_puts_the_words_of_the_neighbours_in_front_of_the_text(embedded_of):
    """Two words, met by the query and its neighbours alike: both of weight 1, the nearer one first.

    What is left out of the ranking, the dog, votes all the same.
    """
    cat, dog, red = np.eye(3)
    gallery = np.float32(unit(np.stack([cat + 0.1 * red, cat, dog, 0.9 * cat + dog])))
    ids = ("cat1", "cat2", "dog", "both")
    asked, task = (
        [],
        embedded_of(
            np.eye(1, 3),
            gallery,
            "a",
            ids,
            gallery=ids,
            relevance=ByItem([Truth({"both": 1.0}, ("dog",))], ids),
            queries=(Query("q", "in red", "q.png"),),
        ).task,
    )
    image = np.float32([unit(cat + 0.4 * red)])
    parts = Parts(task, image, np.float32([red]), gallery, ["in red"])

    def encode(texts):
        asked.extend(texts)
        known = {"cat in red": unit(cat + red), "dog in red": unit(dog + red)}
        return np.float32([known[text] for text in texts])

    way = freedom_way(["cat", "dog"], np.float32([cat, dog]), encode, "two words")
    ranked = way.rank(parts, {})
    # the query and its neighbours vote, each of them for both words: cat first met, equal counts
    assert asked == ["cat in red", "dog in red"]
    query = unit(unit(cat + red) + unit(dog + red))
    np.testing.assert_allclose(ranked.scores(0), [gallery @ query], atol=1e-6)
    assert way.judged(parts, None)[1] == {"about": "two words"}
