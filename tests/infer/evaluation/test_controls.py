"""The controls that need no fitting: chance, and the oracle that sees the test images."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.errors import InputError
from zscr.infer.evaluation.controls.control import class_mean_oracle, random_ranking
from zscr.infer.evaluation.embedded import Embedded


@pytest.fixture
def clusters(split_of):
    """Return a function that makes classes around far-off centres; their texts say nothing."""

    def make(spread, *, number=12, size=8, texts=2):
        rng = np.random.default_rng(4)
        centres = 5 + rng.standard_normal((number, 20))
        images = centres.repeat(size, 0) + spread * rng.standard_normal((number * size, 20))
        classes = [f"c{n}" for n in range(number) for _ in range(size)]
        return split_of(images, classes, np.zeros((number * texts, 3)), texts)

    return make


def test_the_oracle_is_perfect_where_classes_stand_apart(clusters):
    """And not where they lie in each other; it asks once a text, so means weigh as the model's."""
    control = class_mean_oracle(clusters(0.1))
    apart = control.judge(clusters(0.1), "unseen").report()
    assert apart.metrics["mAP"] == 1
    assert apart.queries == 24
    assert 0.2 < control.judge(clusters(1.5), "unseen").report().metrics["mAP"] < 0.99


def test_the_oracle_has_the_highest_mean_cosine_a_class(clusters):
    """No other single vector has more in common with a class's images."""
    queries, gallery = class_mean_oracle(clusters(1.5)).embed(clusters(1.5))
    rng, own = np.random.default_rng(0), gallery[:8]
    others = queries[0] + 0.3 * rng.standard_normal((200, 20))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    assert (own @ queries[0]).mean() > (others @ own.T).mean(1).max()


def test_the_oracle_centres_with_the_seen_classes(clusters):
    """Its gallery is what is left of images without their mean; far from zero all look alike."""
    seen, split = clusters(1.0), clusters(0.5)
    _, gallery = class_mean_oracle(seen).embed(split)
    rows = split["image"].rows - np.float64(seen["image"].rows).mean(0)
    cosines = (gallery * rows).sum(1) / np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(cosines, 1, atol=1e-6)


def test_the_oracle_needs_an_image_a_class(clusters):
    """The mean of nothing is not zero."""
    split = clusters(0.1)
    split["image"].starts[3] = split["image"].starts[4]
    with pytest.raises(InputError, match="1 of 12 classes have no features .* number 3"):
        class_mean_oracle(split).embed(split)


def test_random_ranking_is_chance(clusters):
    """Its precision is the share of relevant images, and no two splits share vectors."""
    split, control = clusters(0.1, texts=60), random_ranking()
    first, second = control.judge(split, "unseen"), control.judge(split, "seen")
    report = first.report()
    assert report.metrics["Prec@10 micro"] == pytest.approx(report.chance, abs=0.02)
    assert (first.gallery @ second.gallery.T).max() < 0.99
    again = random_ranking().judge(split, "unseen")
    np.testing.assert_array_equal(first.gallery, again.gallery)


def test_a_control_is_judged_on_the_splits_texts_and_images(clusters):
    """Each text of a class asks for the class's images, under the split's name."""
    judged = random_ranking().judge(clusters(0.1), "val")
    assert isinstance(judged, Embedded)
    assert (judged.task.name, judged.task.split, judged.task.field) == ("text", "val", "image")
    assert judged.task.groups == tuple(f"c{n}" for n in range(12) for _ in range(2))
    assert judged.task.gallery == tuple(f"p{n}" for n in range(96))
