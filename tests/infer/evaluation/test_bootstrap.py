"""Bootstrap intervals over groups: against a slow loop, and where the answer is known."""

import numpy as np
import pytest

from zscr.infer.evaluation.bootstrap import group_intervals


def test_the_interval_of_a_constant_is_a_point():
    """Whatever groups are drawn; and so is that of a single group."""
    np.testing.assert_allclose(group_intervals(np.full((9, 1), 0.25), np.arange(1.0, 10)), 0.25)
    np.testing.assert_allclose(
        group_intervals(np.array([[0.1, 0.7]]), np.ones(1)).T, [[0.1, 0.7]] * 2
    )


@pytest.mark.parametrize("weights", [np.ones(12), np.arange(1.0, 13)], ids=["macro", "micro"])
def test_equals_a_loop_over_draws(weights):
    """Each draw's weighted mean over the drawn groups, and the quantiles of those."""
    means = np.random.default_rng(0).random((12, 3))
    rng = np.random.default_rng(7)
    draws = rng.integers(12, size=(200, 12))
    figures = [np.average(means[draw], axis=0, weights=weights[draw]) for draw in draws]
    expected = np.quantile(figures, [0.025, 0.975], axis=0).T
    np.testing.assert_allclose(group_intervals(means, weights, draws=200), expected)


def test_covers_the_truth_as_often_as_it_says():
    """Of 300 samples of 60 groups, about 95 % of the intervals hold the population's mean."""
    rng, held = np.random.default_rng(3), 0
    for _ in range(300):
        low, high = group_intervals(rng.random((60, 1)), np.ones(60), draws=400)[0]
        held += low <= 0.5 <= high
    assert 0.91 <= held / 300 <= 0.98


def test_a_heavy_group_moves_the_bounds():
    """One group at 0 beside 50 at 1: a draw of it twice is nothing, unless it is half of all."""
    means = np.array([0.0] + [1.0] * 50)[:, None]
    light, heavy = (group_intervals(means, np.array([w] + [1.0] * 50))[0, 0] for w in (1, 50))
    assert light > 0.9
    assert heavy < 0.5
