"""ZSCRGAN's networks have the released sizes, slopes and initial weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from zscr.train.methods.zscrgan.networks import Critic, Csem, Generator, TextEncoder
from zscr.train.methods.zscrgan.reference.method import Config, Method


@pytest.fixture(scope="module")
def published() -> Method:
    """Build the published sizes on 1024-d texts and 2048-d images."""
    return Method(Config(), {"text": (1024,), "image": (2048,)})


def count(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def test_parameter_counts_are_the_published_ones(published: Method) -> None:
    """At T = 1024 and I = 2048 every network has as many parameters as the released code's."""
    assert count(published.text_encoder) == 2_099_200
    assert count(published.text_encoder, published.generator) == 21_506_048
    assert count(published.csem) == 2_098_176
    assert count(published.critic) == 3_147_777
    assert count(published) == 26_752_001


def test_kernels_are_normal_and_biases_zero(published: Method) -> None:
    """Kernels have mean 0, std 0.02 and normal tails (not truncated); biases are 0."""
    for name, parameter in published.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
        elif parameter.numel() > 1_000_000:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.01), name
            assert abs(parameter.mean().item()) < 1e-4, name
            beyond = (parameter.abs() > 0.04).float().mean().item()  # two standard deviations
            assert beyond == pytest.approx(0.0455, abs=0.002), name


def test_seed_decides_the_weights() -> None:
    """One seed gives the same weights twice, another seed others."""
    shapes = {"text": (3,), "image": (4,)}
    small = {"gf_dim": 2, "df_dim": 2, "embed_dim": 2, "z_dim": 1}
    states = [Method(Config(**small, seed=seed), shapes).state_dict() for seed in (1, 1, 2)]
    same = [torch.equal(states[0][k], states[1][k]) for k in states[0]]
    other = [torch.equal(states[0][k], states[2][k]) for k in states[0] if k.endswith("weight")]
    assert all(same)
    assert not any(other)


def fill(module: nn.Module, weight: float, bias: float) -> nn.Module:
    """Make every kernel and every bias one number, so that outputs can be computed by hand."""
    for name, parameter in module.named_parameters():
        nn.init.constant_(parameter, bias if name.endswith("bias") else weight)
    return module


def test_leaky_relu_has_tensorflows_slope() -> None:
    """Negative values pass at 0.2 (PyTorch's default is 0.01), in both halves of the latent."""
    mu, log_sigma = fill(TextEncoder(1, 1), 1.0, 0.0)(torch.tensor([[-1.0], [2.0]]))
    torch.testing.assert_close(mu, torch.tensor([[-0.2], [2.0]]))
    torch.testing.assert_close(log_sigma, mu)
    mapped = fill(Csem(1, 1), 1.0, 0.0)(torch.tensor([[-1.0]]))
    torch.testing.assert_close(mapped, torch.tensor([[-0.2]]))


def test_generator_by_hand() -> None:
    """1 + 1 inputs -> 1 -> 2 -> 1; leaky inside, and never negative at the end."""
    generator = fill(Generator(1, 1, 1, 1), 1.0, 0.0)
    latent, noise = torch.tensor([[1.0], [-1.0]]), torch.tensor([[2.0], [-4.0]])
    torch.testing.assert_close(generator(latent, noise), torch.tensor([[6.0], [0.0]]))
    lifted = fill(Generator(1, 1, 1, 1), 1.0, 1.0)
    hidden = 0.2 * (-5 + 1)  # -0.8, then 0.2 twice, then 1.4
    torch.testing.assert_close(lifted(latent, noise)[1].item(), 2 * (hidden + 1) + 1)


def test_critic_by_hand() -> None:
    """The critic reads image and raw text, and its output is not squashed."""
    critic = fill(Critic(1, 1, 3), 1.0, 0.0)
    scores = critic(torch.tensor([[50.0], [-4.0]]), torch.tensor([[7.0], [-1.0]]))
    torch.testing.assert_close(scores, torch.tensor([[3 * 57.0], [3 * 0.2 * -5.0]]))
