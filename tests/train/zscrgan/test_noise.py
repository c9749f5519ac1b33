"""The noise of ZSCRGAN has the published distributions."""

from __future__ import annotations

import pytest
import torch

from zscr.train.methods.zscrgan.noise import draw_eps, draw_latents, draw_z


def test_eps_is_a_normal_truncated_at_two() -> None:
    """No |eps| is over 2, and the spread is the truncated normal's 0.879, not a clipped one's."""
    draws = draw_eps((1000, 200), torch.Generator().manual_seed(1))
    assert draws.abs().max().item() <= 2
    assert draws.std().item() == pytest.approx(0.8796, abs=0.003)  # clipping would give 0.959
    assert (draws.abs() == 2).sum() == 0
    assert abs(draws.mean().item()) < 0.01


def test_z_is_a_standard_normal() -> None:
    """Of deviation 1, and not truncated."""
    draws = draw_z((1000, 200), torch.Generator().manual_seed(1))
    assert draws.std().item() == pytest.approx(1, abs=0.003)
    assert draws.abs().max().item() > 3


def test_latents_lie_around_their_means_by_a_spread() -> None:
    """mean + spread · eps: means apart by 100, and a spread of 3 that reaches 6 and no further."""
    means = torch.tensor([[0.0], [100.0]]).expand(2, 5000)
    found = draw_latents(means, 3.0, torch.Generator().manual_seed(1))
    away = (found - means).abs()
    assert 5.9 < away.max().item() <= 6
    torch.testing.assert_close(found.std(1), torch.full((2,), 3 * 0.8796), rtol=0.03, atol=0)
    own = draw_latents(means, torch.tensor([[0.0], [1.0]]), torch.Generator().manual_seed(1))
    torch.testing.assert_close(own[0], means[0])
    assert own[1].std().item() == pytest.approx(0.8796, rel=0.03)
