"""FashionIQ: two protocols of galleries, categories apart, and how captions are joined."""

from __future__ import annotations

import numpy as np
import pytest

from tests.data.sources.triplets.test_cirr import ranked
from tests.data.sources.triplets.trees import CATEGORIES, fashioniq
from zscr.data.check import check_collection
from zscr.data.collection import read_collection
from zscr.data.own_gallery import Within
from zscr.data.sources.triplets.fashioniq import convert_fashioniq
from zscr.data.summary import summarise
from zscr.data.tasks import load_task, query_labels, task_names


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fashioniq")
    convert_fashioniq(fashioniq(folder / "fashion-iq"), folder / "c")
    return read_collection(folder / "c")


def test_the_protocols_are_two_tasks(collection):
    """`original` searches whole splits, `val` what queries name; an image may be of several."""
    names = task_names(collection)
    assert names == [
        p + c for p in ("original", "val") for c in ("", "-dress", "-shirt", "-toptee")
    ]
    whole, named = (load_task(collection, f"{p}-shirt", "unseen") for p in ("original", "val"))
    assert {*whole.gallery} == {"shirt0", "shirt1", "shirt2", "shirt3", "shirt4", "shared"}
    assert named.gallery == ("shirt0", "shirt1", "shirt2")
    assert whole.protocol != named.protocol
    assert len(collection.items) == 3 * 5 + 1


def test_a_query_searches_its_own_category(collection):
    """By hand: dresses from other categories never stand before the target, its reference may.

    Of all categories together: the mean over categories, to which each counts as much.
    """
    task = load_task(collection, "original", "unseen")
    assert isinstance(task.relevance, Within)
    assert task.figures == ("R@10 macro", "R@50 macro")
    everything = [*task.gallery]
    orders = {}
    for category in CATEGORIES:
        others = [name for name in everything if not name.startswith(category) and name != "shared"]
        own = [*(f"{category}{n}" for n in range(5)), "shared"]
        orders[f"{category}-0"] = [*others, *own]  # 10 others, the reference, the target
        orders[f"{category}-1"] = [*others, *own]
    embedded = ranked(task, orders)
    report = embedded.report()
    assert report.metrics["R@10 macro"] == 1
    assert report.metrics["mAP"] == pytest.approx((1 / 2 + 1 / 3) / 2)  # ranks 2 and 3
    assert [row.group for row in report.per_group] == list(CATEGORIES)


def test_one_category_is_enough(tmp_path):
    """Of one there is no mean over categories."""
    root = fashioniq(tmp_path / "f")
    for category in CATEGORIES[1:]:
        (root / f"captions/cap.{category}.val.json").unlink()
    convert_fashioniq(root, tmp_path / "c")
    assert task_names(read_collection(tmp_path / "c")) == ["original-dress", "val-dress"]


def test_figures_of_categories_average_to_their_mean(collection):
    """The one task of all is what the three tasks of one are, each with its own weight."""
    rng = np.random.default_rng(5)
    each, orders = [], {}
    for category in CATEGORIES:
        task = load_task(collection, f"original-{category}", "unseen")
        own = {query.id: rng.permutation(task.gallery).tolist() for query in task.queries}
        each.append(ranked(task, own).report().metrics)
        orders |= own
    task = load_task(collection, "original", "unseen")
    rest = {q: [*own, *sorted({*task.gallery} - {*own})] for q, own in orders.items()}
    together = ranked(task, rest).report().metrics
    for name in ("mAP", "Recall@1"):
        assert together[f"{name} macro"] == pytest.approx(np.mean([one[name] for one in each]))
    assert 0 < together["mAP macro"] < 1


def test_captions_are_joined_as_published(collection, tmp_path):
    """Pic2Word's second caption is first; SEARLE's mean of both orders is a sum of two queries.

    A `*` would be the image's place, so that it is none of a caption's.
    """
    task = load_task(collection, "val-dress", "unseen")
    assert [query.text for query in task.queries] == [
        "has no sleeves,  and is 0 red.",
        "has no sleeves,  and is 1 red.",
    ]
    assert "captions pic2word" in task.protocol
    source = fashioniq(tmp_path / "fiq", captions="json", suffix=".png")
    convert_fashioniq(source, tmp_path / "c", caption_order="searle")
    other = read_collection(tmp_path / "c")
    assert check_collection(tmp_path / "c").faults == ()
    assert summarise(other).tasks[0].asks == "image+text"
    task = load_task(other, "val-dress", "unseen")
    assert task.fields == {"image", "text"}
    both = [["is 0 red and has no sleeves", "has no sleeves and is 0 red"], [1.0, 1.0]]
    terms = task.queries[0].terms
    assert [[term.query.text for term in terms], [term.weight for term in terms]] == both
    assert all(term.query.image == tmp_path / "c/images/images/dress0.png" for term in terms)
    assert query_labels(other, task)[0].count("dress0.png: ") == 2
