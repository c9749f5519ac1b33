"""E-steps over a gallery by answers worked out here: six images, two axes of latents."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zscr.train.methods.zscrgan.improved.gallery_e_step import (
    BLOCK,
    NAMES,
    View,
    k_best,
    seen_bias,
    soft,
)

FIRST, SECOND = np.eye(2, dtype=np.float32)


def rows(*degrees: float) -> np.ndarray:
    """Return unit rows of two axes."""
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def view(features: np.ndarray, latents: np.ndarray, bias: list[float] | None = None) -> View:
    """Return a gallery whose outputs are diffused already."""
    zeros = np.zeros(len(features), np.float32)
    return View(features, latents, latents, zeros if bias is None else np.array(bias, np.float32))


def owners(targets: np.ndarray, asked: np.ndarray) -> list[int]:
    """Return the name whose latent each target is, -1 where it is none's."""
    same = np.isclose(targets[:, None], asked, atol=1e-6).all(2)
    return [int(one.argmax()) if one.any() else -1 for one in same]


def test_a_name_finds_the_images_that_are_like_its_best_ones() -> None:
    """By their own scores 0, 3 and 1 are best; 2 scores less than 3 and 4, but looks like 0 and 1.

    Their mean image is at 27°: image 2 has .47 + 1.4 · .92, image 3 .77 + 1.4 · .45.
    """
    features = rows(0, 2, 4, 90, 92, 94)
    latents = rows(10, 45, 62, 40, 50, 120)
    targets, named = k_best(view(features, latents), FIRST[None], 3)
    assert owners(targets, FIRST[None]) == [0, 0, 0, -1, -1, -1]
    assert named == 3
    np.testing.assert_array_equal(targets[3:], latents[3:])  # the others keep what Q says


def test_an_image_that_two_names_claim_goes_to_the_better_score() -> None:
    """Both want the middle image; it is nearer to the second, whichever is listed first."""
    features, latents = rows(0, 0, 0), rows(0, 60, 90)
    for asked, wanted in ((rows(0, 90), [0, 1, 1]), (rows(90, 0), [1, 0, 0])):
        targets, named = k_best(view(features, latents), asked, 2)
        assert owners(targets, asked) == wanted
        assert named == 3


def test_of_equal_claims_the_first_name_has_it() -> None:
    """So the answer does not depend on how numbers are sorted."""
    targets, _ = k_best(view(rows(0, 0), rows(45, 45)), rows(0, 90), 2)
    assert owners(targets, rows(0, 90)) == [0, 0]


def test_names_are_found_alike_however_many_there_are() -> None:
    """More than are sought at once: each finds its own image."""
    count = NAMES + 3
    eye = np.eye(count, dtype=np.float32)
    targets, named = k_best(view(eye, eye), eye[::-1], 1)
    assert owners(targets, eye[::-1]) == [*range(count)][::-1]
    assert named == count


def test_the_bias_of_seen_classes() -> None:
    """b = 1/5 log Σ exp(5 z · P): of two seen latents at 0° and 90° from the image."""
    found = seen_bias(rows(0, 90, 45), np.stack([FIRST, SECOND]))
    near, both = math.log(math.exp(5) + 1) / 5, math.log(2 * math.exp(5 / math.sqrt(2))) / 5
    np.testing.assert_allclose(found, [near, near, both], rtol=1e-6)


def test_a_seen_classs_image_is_not_taken_for_a_name() -> None:
    """Image 0 scores best for the name, and looks like a seen class even more."""
    features, latents = np.eye(4, dtype=np.float32), rows(5, 20, 80, 85)
    for bias, wanted in (([0, 0, 0, 0], [0, -1, -1, -1]), ([0.9, 0, 0, 0], [-1, 0, -1, -1])):
        targets, _ = k_best(view(features, latents, bias), FIRST[None], 1)
        assert owners(targets, FIRST[None]) == wanted


def test_a_complete_list_shares_every_image_out() -> None:
    """Image 2 is mapped nearer to the wrong name, and looks like the right one's images."""
    features, latents = rows(0, 1, 2, 80, 81, 82), rows(10, 20, 50, 70, 75, 80)
    asked = np.stack([FIRST, SECOND])
    targets = soft(view(features, latents), asked)
    np.testing.assert_allclose(targets.sum(1), 1, atol=1e-6)  # shares of the two names
    assert (targets[:3, 0] > 0.9).all()
    assert (targets[3:, 1] > 0.9).all()
    alone = 1 / (1 + np.exp(5 * (latents[2] @ (SECOND - FIRST))))
    assert alone < 0.5 < targets[2, 0]


def test_without_likeness_a_share_is_the_softmax_of_the_texts() -> None:
    """All images look alike, so the mean images say nothing: r = 1 / (1 + exp(-5 · difference))."""
    latents = rows(*np.linspace(0, 90, BLOCK + 5))  # more than are looked at at once
    features = np.repeat(FIRST[None], len(latents), 0)
    targets = soft(view(features, latents), np.stack([FIRST, SECOND]))
    difference = latents[:, 0] - latents[:, 1]
    np.testing.assert_allclose(targets[:, 0], 1 / (1 + np.exp(-5 * difference)), atol=1e-5)


@pytest.mark.parametrize("k", [1, 3])
def test_the_same_gallery_gives_the_same_targets(k: int) -> None:
    """To the bit, twins and all."""
    features = np.repeat(rows(0, 30, 90), 3, axis=0)
    one, other = (k_best(view(features, features), rows(10, 80), k)[0] for _ in range(2))
    assert one.tobytes() == other.tobytes()
