"""CIRCO: several right images, the target alone, aspects, and integers as ids."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.data.sources.triplets.test_cirr import ranked
from tests.data.sources.triplets.trees import circo
from zscr.data.collection import read_collection
from zscr.data.sources.triplets.circo import convert_circo
from zscr.data.tasks import load_task, task_names
from zscr.errors import InputError


@pytest.fixture(scope="module")
def collection(tmp_path_factory):
    folder = tmp_path_factory.mktemp("circo")
    convert_circo(circo(folder / "CIRCO").parent, folder / "c")
    return read_collection(folder / "c")


def published(predictions: list[int], right: list[int], k: int) -> float:
    """Compute AP@k as CIRCO's paper states it: 1 / min(k, n) * sum over hits of P@rank."""
    total = 0.0
    for rank, image in enumerate(predictions[:k], 1):
        if image in right:
            total += sum(one in right for one in predictions[:rank]) / rank
    return total / min(k, len(right))


def test_val_by_hand(collection):
    """Query 0 finds its three at 1, 3 and 12, its target at 3; query 1 its one at 26."""
    task = load_task(collection, "val", "unseen")
    ids = [*task.gallery]
    assert (ids[:2], len(ids)) == (["1000", "1007"], 60)
    assert task.queries[0].image.name == "000000001000.jpg"
    assert (task.queries[0].id, task.queries[0].text) == ("0", "has 0 more")
    others = [name for name in ids if name not in {ids[5], ids[8], ids[9], ids[2]}]
    order = [ids[8], others[0], ids[5], *others[1:9], ids[9], *others[9:], ids[2]]
    orders = {"0": order, "1": [*others[:25], ids[2], *others[25:], ids[5], ids[8], ids[9]]}
    report = ranked(task, orders).report()
    assert report.figures == ("mAP@5", "mAP@10", "mAP@25", "mAP@50")
    first = {5: (1 + 2 / 3) / 3, 10: (1 + 2 / 3) / 3, 25: (1 + 2 / 3 + 3 / 12) / 3}
    for k in (5, 10, 25, 50):
        second = 1 / 26 if k == 50 else 0
        assert report.metrics[f"mAP@{k}"] == pytest.approx((first.get(k, first[25]) + second) / 2)
    target = ranked(load_task(collection, "val-target", "unseen"), orders).report()
    assert target.figures == ("R@5", "R@10", "R@25", "R@50")
    assert [target.metrics[name] for name in target.figures] == [0.5, 0.5, 0.5, 1]


def test_aspects_are_tasks_of_their_queries(collection):
    """The semantic mAP@10 of an aspect is over the queries that have it."""
    assert task_names(collection) == ["val", "val-target", "val-negation", "val-addition", "test"]
    asked = {
        aspect: [query.id for query in load_task(collection, f"val-{aspect}", "unseen").queries]
        for aspect in ("negation", "addition")
    }
    assert asked == {"negation": ["0"], "addition": ["0", "1"]}
    assert load_task(collection, "val-negation", "unseen").figures == ("mAP@10",)


def test_map_at_k_against_the_papers_formula(collection):
    """Random rankings, computed a second time image by image; the reference is ranked too."""
    task, rng = load_task(collection, "val", "unseen"), np.random.default_rng(3)
    for _ in range(5):
        orders = {query.id: rng.permutation(task.gallery).tolist() for query in task.queries}
        metrics = ranked(task, orders).report().metrics
        for k in (5, 10, 25, 50):
            values = [
                published(orders[query.id], [*truth.relevant], k)
                for query, truth in zip(task.queries, task.relevance.truths, strict=True)
            ]
            assert metrics[f"mAP@{k}"] == pytest.approx(np.mean(values), abs=1e-12)


def test_ids_may_be_texts(tmp_path, collection):
    """A copy that writes its ids in quotes is the same collection."""
    root = circo(tmp_path / "CIRCO")
    path = root / "annotations/val.json"
    path.write_text(re.sub(r"\b(\d+)(?=[,\]}\n])", r'"\1"', path.read_text()))
    assert '"id": "0"' in path.read_text()
    convert_circo(root, tmp_path / "c")
    ours, theirs = (
        load_task(one, "val", "unseen") for one in (read_collection(tmp_path / "c"), collection)
    )
    assert ours.relevance == theirs.relevance
    assert [query.id for query in ours.queries] == ["0", "1"]


def test_a_gallery_that_lacks_images_is_refused(tmp_path):
    """With the number, and the first of them."""
    root = circo(tmp_path / "CIRCO")
    (root / "COCO2017_unlabeled/unlabeled2017/000000001000.jpg").unlink()
    with pytest.raises(InputError, match=r"lacks 1 of the 60 images.*000000001000\.jpg"):
        convert_circo(root, tmp_path / "c")
