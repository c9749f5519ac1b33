"""Kernel ridge regression: its kernel, its landmarks, its refit; its parity is in tests/train."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.infer.evaluation.controls.kernel import gaussian, kernel_ridge
from zscr.infer.features.table import joined


@pytest.fixture(scope="module")
def splits(split_of):
    """Images are a noisy bend of their class's text; four images and two texts a class."""
    rng, made = np.random.default_rng(3), {}
    linear = rng.standard_normal((4, 6))
    for name, number in (("seen", 12), ("val", 8), ("unseen", 8)):
        texts = rng.standard_normal((number, 4))
        images = np.tanh(texts.repeat(4, 0) @ linear)
        images += 0.3 * rng.standard_normal(images.shape)
        classes = [f"{name} {n}" for n in range(number) for _ in range(4)]
        made[name] = split_of(images, classes, texts.repeat(2, 0), 2)
    return made


def test_the_kernel_is_gaussian():
    """exp(-25) at a distance of 5, and 1 at none."""
    rows = np.array([[0.0, 0.0], [3.0, 4.0]])
    np.testing.assert_allclose(gaussian(rows, rows), [[1, np.exp(-25)], [np.exp(-25), 1]])


def test_landmarks_at_every_image_are_the_kernel_itself(splits):
    """The Nyström form solves the same problem then; with few landmarks it is another one."""
    seen, val, unseen = splits.values()
    exact = kernel_ridge(seen, val)
    whole = kernel_ridge(seen, val, exact=0, landmarks=48)
    few = kernel_ridge(seen, val, exact=47, landmarks=8)
    assert whole.chosen == pytest.approx(exact.chosen)
    galleries = [control.embed(unseen)[1] for control in (exact, whole, few)]
    np.testing.assert_allclose(galleries[1], galleries[0], atol=1e-4)
    assert np.abs(galleries[2] - galleries[0]).max() > 0.1
    for control in (exact, few):
        report = control.judge(unseen, "unseen").report()
        assert report.metrics["mAP"] > 3 * report.chance


def test_a_refit_is_the_chosen_machine_on_both_splits(splits):
    """The penalty, an image, is that of 48 images; 80 are fitted with it."""
    seen, val, unseen = splits.values()
    alone, refitted = kernel_ridge(seen, val), kernel_ridge(seen, val, refit=True)
    assert refitted.chosen == alone.chosen
    both = joined(seen, val)
    shrink, penalty = alone.chosen["shrink"], alone.chosen["penalty"]
    hand = kernel_ridge(both, val, shrinks=(shrink,), penalties=(penalty,))
    for found, wanted in zip(refitted.embed(unseen), hand.embed(unseen), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert np.abs(refitted.embed(unseen)[1][:, :8] - alone.embed(unseen)[1][:, :8]).max() > 0.01
