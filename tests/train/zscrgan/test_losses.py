"""ZSCRGAN's losses against their definitions, by hand and on random numbers."""

from __future__ import annotations

import doctest
import math
from types import ModuleType

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from zscr.train.methods import losses as shared
from zscr.train.methods.zscrgan import losses
from zscr.train.methods.zscrgan.losses import critic_loss, latent_divergence, regulariser
from zscr.train.methods.zscrgan.reference.csem_step import contrast


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def released_divergence(mu: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    """J as the released code builds it: the mean of two calls of its "KL"."""

    def k(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return (-b + 0.5 * ((2 * b).exp() - 1 + a.square())).mean()

    middle = (mu + s) / 2
    return 0.5 * (k(mu, middle) + k(s, middle))


@pytest.mark.parametrize(("module", "examples"), [(losses, 3), (shared, 1)])
def test_examples_in_the_docstrings_hold(module: ModuleType, examples: int) -> None:
    """Every docstring's example is run, and there is one a loss."""
    result = doctest.testmod(module)
    assert (result.failed, result.attempted) == (0, examples)


@pytest.mark.parametrize("scale", [0.01, 1.0, 3.0])
def test_divergence_is_the_closed_form_of_its_definition(scale: float) -> None:
    """The closed form equals the two calls that the released code makes, values and gradients."""
    mu, s = (scale * random(5, 7, seed=seed) for seed in (1, 2))
    mu.requires_grad_()
    s.requires_grad_()
    ours, theirs = latent_divergence(mu, s), released_divergence(mu, s)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)
    pairs = [torch.autograd.grad(loss, (mu, s)) for loss in (ours, theirs)]
    torch.testing.assert_close(*pairs, rtol=1e-10, atol=1e-15)


def test_divergence_rests_at_the_origin() -> None:
    """At mu = s = 0 the value and the gradient are exactly 0."""
    mu, s = torch.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
    loss = latent_divergence(mu, s)
    loss.backward()
    assert loss.item() == 0
    assert not mu.grad.any()
    assert not s.grad.any()


@given(*[st.floats(-4, 4)] * 4, st.floats(0, 1))
def test_divergence_is_convex(mu: float, s: float, other_mu: float, other_s: float, t: float):
    """Between two points J lies on or below their chord, and nowhere below 0."""

    def j(a: float, b: float) -> float:
        pair = torch.tensor([a, b], dtype=torch.float64)
        return latent_divergence(*pair.split(1)).item()

    between = j(t * mu + (1 - t) * other_mu, t * s + (1 - t) * other_s)
    chord = t * j(mu, s) + (1 - t) * j(other_mu, other_s)
    assert -1e-12 <= between <= chord + 1e-9 * (1 + chord)


def test_critic_loss_by_hand() -> None:
    """Both negatives count half, the real pairs whole, each as a mean over its rows."""
    real, fake, wrong = (
        torch.tensor([1.0, 3.0]),
        torch.tensor([4.0, 0.0]),
        torch.tensor([0.0, 10.0]),
    )
    assert critic_loss(real, fake, wrong).item() == 0.5 * (2 + 5) - 2


def test_regulariser_by_hand() -> None:
    """Distances are summed over dimensions and averaged over rows; nothing is cut off at 0."""
    fake, real = torch.tensor([[1.0, 1.0], [0.0, 0.0]]), torch.tensor([[0.0, 3.0], [0.0, 1.0]])
    wrong = torch.tensor([[9.0, 1.0], [5.0, 5.0]])
    assert regulariser(fake, real, wrong).item() == (3 + 1) / 2 - (8 + 10) / 2 + 2 == -5


def test_regulariser_has_the_bound_of_the_triangle_inequality() -> None:
    """Wherever f lies, R is at least 2 - |x - x_w|, and f = x reaches it."""
    real, wrong = random(6, 4, seed=1), random(6, 4, seed=2)
    bound = 2 - (real - wrong).abs().sum(1).mean()
    assert all(regulariser(random(6, 4, seed=n), real, wrong) >= bound for n in range(3, 30))
    torch.testing.assert_close(regulariser(real, real, wrong), bound)


def test_the_regularisers_slope_is_a_difference_of_shares() -> None:
    """Over all pairs of an own and another image: 2 (F_own(f) - F_others(f)), by autograd.

    Beyond all images, on either side, it is 0: the term saturates.
    """
    own, others = random(5, 3, seed=1), 1 + 2 * random(8, 3, seed=2)
    real, wrong = (rows.flatten(0, 1) for rows in torch.broadcast_tensors(own[:, None], others))
    for f in (*random(9, 3, seed=3), torch.full((3,), 99.0).double(), torch.full((3,), -99.0)):
        fake = f.double().expand(len(real), 3).clone().requires_grad_()
        [slope] = torch.autograd.grad(regulariser(fake, real, wrong), fake)
        shares = [(rows < f).double().mean(0) for rows in (own, others)]
        torch.testing.assert_close(slope.sum(0), 2 * (shares[0] - shares[1]))
    assert not slope.any()


def defined_contrast(mapped: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
    """CSEM's loss as the paper defines it, without gradients of its own.

    log(1 + exp(mean cos(h(f_w), c) - mean cos(h(f), c))); the first is left out without an f_w.
    """
    right, *wrong = (functional.cosine_similarity(rows, latent).mean() for rows in mapped)
    return torch.log(1 + torch.exp(sum(wrong) - right))


@pytest.mark.parametrize("pairs", [1, 2], ids=["right alone", "right and wrong"])
def test_contrast_is_its_definition_and_autograds_gradients(pairs: int) -> None:
    """Value and both gradients; the latent's too, for the E-step moves the text encoder by it."""
    mapped = (3 * random(pairs, 5, 4, seed=1)).requires_grad_()
    latent = (0.5 * random(5, 4, seed=2)).requires_grad_()
    loss = defined_contrast(mapped, latent)
    to_mapped, to_latent = torch.autograd.grad(loss, (mapped, latent))
    with torch.no_grad():
        found = contrast(mapped, latent)
    torch.testing.assert_close(found.loss, loss.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(found.to_mapped, to_mapped, rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(found.to_latent, to_latent, rtol=1e-10, atol=1e-14)
    assert min(to_mapped.abs().min(), to_latent.abs().min()) > 1e-4


def test_contrast_by_hand() -> None:
    """The softplus of one difference of batch means; a mean of softpluses would be another."""
    latent = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    right = torch.tensor([[3.0, 0.0], [0.0, 1.0]])  # cosines 1 and 1
    wrong = torch.tensor([[-1.0, 0.0], [0.0, 5.0]])  # cosines -1 and 1
    expected = math.log(1 + math.exp(0 - 1))
    of_samples = (math.log(1 + math.exp(-1 - 1)) + math.log(1 + math.exp(1 - 1))) / 2
    found = contrast(torch.stack([right, wrong]), latent).loss.item()
    assert found == pytest.approx(expected, abs=1e-6)
    assert abs(expected - of_samples) > 0.05


def test_contrast_reaches_both_ends_of_its_range() -> None:
    """Cosines of ±1 give log(1 + e^±2): from 0.127 to 2.127."""
    latent = random(4, 3)
    pairs = torch.stack([latent, -latent]), torch.stack([-latent, latent])
    losses = [contrast(mapped, latent).loss.item() for mapped in pairs]
    assert [round(loss, 3) for loss in losses] == [0.127, 2.127]
