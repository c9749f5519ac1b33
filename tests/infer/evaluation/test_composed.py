"""What the parts of composed queries find alone: known answers in a space of three axes."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.data.records import Query
from zscr.data.relevance import ByItem, Truth
from zscr.errors import InputError
from zscr.infer.evaluation.controls.composed import part_controls

RED, ROUND, OTHER = np.eye(3)


@pytest.fixture
def task(embedded_of):
    """A red thing that is to be round: `both` is sought, the reference itself is left out."""
    ids = ("reference", "round", "both", "other")
    truth = Truth({"both": 1.0}, exclude=("reference",))
    queries = tuple(Query(str(n), text="but round", image="reference.png") for n in range(2))
    return embedded_of(
        np.eye(2, 3),
        np.eye(4, 3),
        "ab",
        "abcd",
        gallery=ids,
        relevance=ByItem([truth] * 2, ids),
        queries=queries,
        name="composed",
    ).task


@pytest.fixture
def gallery():
    return np.float32([RED, ROUND, (RED + ROUND) / 2**0.5, OTHER])


PARTS = {
    "image": np.float32([RED, 5 * RED]),
    "text": np.float32([ROUND, 0.1 * ROUND]),
}


def test_each_part_alone_and_their_mean(task, gallery):
    """The image finds what is sought behind nothing but itself, the text behind what it says."""
    found = part_controls(PARTS, gallery, task)
    assert [*found] == ["image only", "text only", "mean of image and text", "random ranking"]
    for name, expected in (("image only", 1), ("text only", 1 / 2), ("mean of image and text", 1)):
        assert found[name].average_precision().tolist() == [expected] * 2, name
        assert found[name].task is task
    np.testing.assert_allclose(found["image only"].queries, [RED, RED])


def test_the_mean_is_of_unit_vectors(task, gallery):
    """A part that is five times as long says no more than the other."""
    queries = part_controls(PARTS, gallery, task)["mean of image and text"].queries
    np.testing.assert_allclose(queries, [(RED + ROUND) / 2**0.5] * 2, atol=1e-6)


def test_a_gallery_of_any_length_is_ranked_by_cosine(task, gallery):
    """Raw embeddings may be given on both sides."""
    plain, scaled = (part_controls(PARTS, rows, task) for rows in (gallery, 7 * gallery))
    for name in plain:
        assert plain[name].report().metrics == scaled[name].report().metrics


def test_sketches_are_parts_too(task, gallery):
    """Alone there is no mean; with a text there is."""
    sketch = {"sketch": PARTS["image"]}
    assert [*part_controls(sketch, gallery, task)] == ["sketch only", "random ranking"]
    names = [*part_controls({"text": PARTS["text"], **sketch}, gallery, task)]
    assert names[2] == "mean of sketch and text"


def test_chance_is_the_random_one(embedded_of):
    """Its precision is the share of relevant items, the same at every call."""
    rng = np.random.default_rng(0)
    asked, found = ["a"] * 400 + ["b"] * 400, [*"aaab" * 30]
    rows = rng.standard_normal((800, 4)).astype(np.float32)
    task = embedded_of(rows, np.eye(120, 4), asked, found).task
    gallery = rng.standard_normal((120, 4)).astype(np.float32)
    chance, again = (
        part_controls({"image": rows}, gallery, task)["random ranking"] for _ in range(2)
    )
    report = chance.report()
    assert report.metrics["Prec@10 micro"] == pytest.approx(report.chance, abs=0.02)
    np.testing.assert_array_equal(chance.queries, again.queries)
    other = part_controls({"image": rows}, gallery, task, seed=8)["random ranking"]
    assert not np.array_equal(chance.queries, other.queries)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "parts of queries are image, sketch, text"),
        ({"vector": PARTS["text"]}, "not 'vector'"),
        ({"image": np.eye(2, 4)}, r"do not fit .* image \(2, 4\), gallery \(4, 3\)"),
        ({**PARTS, "text": np.eye(1, 3)}, r"image \(2, 3\), text \(1, 3\)"),
        ({"image": np.eye(3)}, "3 embeddings of the 2 queries of task 'composed'"),
    ],
    ids=["none", "unknown", "dimension", "rows", "task"],
)
def test_parts_that_do_not_fit_are_refused(task, gallery, parts, message):
    """Each mismatch is one sentence with the numbers."""
    with pytest.raises(InputError, match=message):
        part_controls(parts, gallery, task)
