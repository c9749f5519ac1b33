"""The controls that need no fitting: chance, and the oracle that sees the test images."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.errors import InputError
from zscr.infer.evaluation.controls.control import class_mean_oracle, random_ranking
from zscr.infer.features.split import SplitFeatures


def clusters(spread, *, number=12, size=8, texts=2):
    """Classes around far-off centres, with texts that say nothing."""
    rng = np.random.default_rng(4)
    centres = 5 + rng.standard_normal((number, 20))
    images = centres.repeat(size, 0) + spread * rng.standard_normal((number * size, 20))
    return SplitFeatures(
        tuple(f"c{n}" for n in range(number)),
        np.float32(images),
        tuple(map(str, range(len(images)))),
        np.arange(number + 1) * size,
        np.zeros((number * texts, 3), np.float32),
        np.arange(number + 1) * texts,
    )


def test_the_oracle_is_perfect_where_classes_stand_apart():
    """And not where they lie in each other; it asks once a text, so means weigh as the model's."""
    control = class_mean_oracle(clusters(0.1))
    apart = control.judge(clusters(0.1)).report()
    assert apart.metrics["mAP"] == 1
    assert apart.queries == 24
    assert 0.2 < control.judge(clusters(1.5)).report().metrics["mAP"] < 0.99


def test_the_oracle_has_the_highest_mean_cosine_a_class():
    """No other single vector has more in common with a class's images."""
    judged = class_mean_oracle(clusters(1.5)).judge(clusters(1.5))
    rng, own = np.random.default_rng(0), judged.gallery[:8]
    others = judged.queries[0] + 0.3 * rng.standard_normal((200, 20))
    others /= np.linalg.norm(others, axis=1, keepdims=True)
    assert (own @ judged.queries[0]).mean() > (others @ own.T).mean(1).max()


def test_the_oracle_needs_an_image_a_class():
    """The mean of nothing is not zero."""
    split = clusters(0.1)
    split.image_starts[3] = split.image_starts[4]
    with pytest.raises(InputError, match="1 of 12 classes have no features .* number 3"):
        class_mean_oracle(split).judge(split)


def test_random_ranking_is_chance():
    """Its precision is the share of relevant images, and no two splits share vectors."""
    split, control = clusters(0.1, texts=60), random_ranking()
    first, second = control.judge(split), control.judge(split)
    report = first.report()
    assert report.metrics["Prec@10 micro"] == pytest.approx(report.chance, abs=0.02)
    assert (first.gallery @ second.gallery.T).max() < 0.99
    np.testing.assert_array_equal(first.gallery, random_ranking().judge(split).gallery)
