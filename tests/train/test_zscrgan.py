"""ZSCRGAN's turns, updates and embeddings."""

from __future__ import annotations

from itertools import groupby

import pytest
import torch

from zscr.train.methods import Batch
from zscr.train.methods.zscrgan import Config, Method
from zscr.train.methods.zscrgan.losses import (
    critic_loss,
    csem_loss,
    latent_divergence,
    regulariser,
)

SMALL = {"gf_dim": 6, "df_dim": 5, "embed_dim": 7, "z_dim": 3}
SMALL |= {"e_steps": 2, "critic_steps": 2, "m_steps": 2}


def build(**settings: object) -> Method:
    return Method(Config(**SMALL | settings), text_dim=4, image_dim=6)


def rows(seed: int = 0, count: int = 5) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    text = torch.randn(count, 4, generator=generator)
    image = torch.rand(count, 6, generator=generator)
    return Batch(text, image, text.roll(1, 0), image.roll(1, 0))


def test_a_round_has_the_published_turns() -> None:
    """100 times (5 critic, 1 generator), then 100 CSEM; the next round starts again."""
    method = Method(Config(), text_dim=1, image_dim=1)
    turns = [method.turn(step) for step in range(method.steps_per_round)]
    runs = [(turn, len(list(group))) for turn, group in groupby(turns)]
    assert runs == [("critic", 5), ("generator", 1)] * 100 + [("csem", 100)]
    assert [turns.count(turn) for turn in ("critic", "generator", "csem")] == [500, 100, 100]
    following = range(method.steps_per_round, method.steps_per_round + 700)
    assert [method.turn(step) for step in following] == turns


def test_every_turn_moves_its_own_networks_alone() -> None:
    """A turn changes all of its own tensors, no tensor of another network, and says its name."""
    own = {
        "critic": ("critic.",),
        "generator": ("text_encoder.", "generator."),
        "csem": ("csem.",),
    }
    method = build(clip_val=1.0)
    for step in range(method.steps_per_round):
        before = {name: p.clone() for name, p in method.named_parameters()}
        losses = method.train_step(rows(step), step)
        assert [*losses] == [f"loss/{method.turn(step)}"]
        assert not losses[f"loss/{method.turn(step)}"].requires_grad
        moved = {name for name, p in method.named_parameters() if not torch.equal(p, before[name])}
        expected = {name for name in before if name.startswith(own[method.turn(step)])}
        # the critic's last bias has no gradient: the negatives' halves cancel the positive
        assert moved == expected - {"critic.fc2.bias"}, step


def test_critic_is_clipped_after_every_step_and_not_before() -> None:
    """The first critic step runs on unclipped weights; after each, weights and biases fit."""
    method = build(clip_val=0.001)
    with torch.no_grad():
        method.critic.fc1.bias.fill_(5.0)
    unclipped = max(p.abs().max().item() for p in method.critic.parameters())
    assert unclipped > 0.001
    seen = []
    for step in range(2 * method.steps_per_round):
        method.train_step(rows(step), step)
        if method.turn(step) == "critic":
            seen.append([p.abs().max().item() for p in method.critic.parameters()])
    assert max(map(max, seen)) == pytest.approx(0.001)
    assert seen[0][1] == pytest.approx(0.001)  # the bias that was made large
    others = [*method.generator.parameters(), *method.csem.parameters()]
    assert max(p.abs().max().item() for p in others) > 0.001


def test_first_critic_loss_is_that_of_unclipped_weights() -> None:
    """Before the first step nothing is clipped, so the loss is the one of the initial weights."""
    losses = [build(clip_val=clip).train_step(rows(), 0)["loss/critic"] for clip in (1e-9, 1.0)]
    assert torch.equal(*losses)
    assert losses[0] != 0


def test_published_optimisers() -> None:
    """RMSProp at 2e-4 for critic and generator; Adam at 2e-3 with beta1 0.5 for CSEM."""
    method = Method(Config(), text_dim=1, image_dim=1)
    groups = {name: o.param_groups[0] for name, o in method.optimizers.items()}
    assert {name: type(o).__name__ for name, o in method.optimizers.items()} == {
        "critic": "TFRMSprop",
        "generator": "TFRMSprop",
        "csem": "Adam",
    }
    assert [groups[name]["lr"] for name in ("critic", "generator", "csem")] == [2e-4, 2e-4, 2e-3]
    assert (groups["csem"]["betas"], groups["csem"]["eps"]) == ((0.5, 0.999), 1e-8)
    assert groups["csem"]["weight_decay"] == 0


def test_eps_is_a_normal_truncated_at_two() -> None:
    """No |eps| is over 2, and the spread is the truncated normal's 0.879, not a clipped one's."""
    method = build()
    draws = method._sample(torch.zeros(1000, 200), torch.zeros(1000, 200))
    assert draws.abs().max().item() <= 2
    assert draws.std().item() == pytest.approx(0.8796, abs=0.003)  # clipping would give 0.959
    assert (draws.abs() == 2).sum() == 0
    assert abs(draws.mean().item()) < 0.01


def test_latents_are_mu_plus_sigma_eps() -> None:
    """c = mu + exp(log_sigma) · eps: with a tiny sigma it is mu, with a larger one it spreads."""
    method, mu = build(), torch.full((4000, 7), 3.0)
    assert torch.equal(method._sample(mu, torch.full_like(mu, -100.0)), mu)
    spread = method._sample(mu, torch.full_like(mu, 2.0).log()).std().item()
    assert spread == pytest.approx(2 * 0.8796, rel=0.02)


def test_queries_are_deterministic_and_unit() -> None:
    """A query embedding is that of mu and z = 0, of norm 1, and draws nothing."""
    method, text = build(), rows().text
    state = method.noise.get_state()
    found = method.encode_query(text)
    assert torch.equal(found, method.encode_query(text))
    assert torch.equal(state, method.noise.get_state())
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5))
    mu, _ = method.text_encoder(text)
    mapped = method.csem(method.generator(mu, torch.zeros(5, 3)))
    torch.testing.assert_close(found, mapped / mapped.norm(dim=1, keepdim=True))


def test_gallery_embeddings_are_unit() -> None:
    """A gallery embedding is CSEM of the real feature, of norm 1."""
    method, image = build(), rows().image
    mapped = method.csem(image)
    found = method.encode_gallery(image)
    torch.testing.assert_close(found, mapped / mapped.norm(dim=1, keepdim=True))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(5))


@pytest.mark.parametrize("samples", [1, 4])
def test_averaged_noise_is_the_mean_of_fixed_draws(samples: int) -> None:
    """K draws: the normalised mean of K unit embeddings, the same draws for every text and call."""
    method, text = build(), rows().text
    silent = method.encode_query(text)
    method.average_noise(samples)
    eps, z = method.fixed_eps, method.fixed_z
    assert (len(eps), len(z)) == (samples, samples)
    assert eps.abs().max() <= 2
    mu, log_sigma = method.text_encoder(text)
    draws = []
    for e, n in zip(eps, z, strict=True):
        mapped = method.csem(method.generator(mu + log_sigma.exp() * e, n.repeat(5, 1)))
        draws.append(mapped / mapped.norm(dim=1, keepdim=True))
    mean = sum(draws) / samples
    found = method.encode_query(text)
    torch.testing.assert_close(found, mean / mean.norm(dim=1, keepdim=True))
    assert not torch.equal(found, silent)
    state = method.noise.get_state()
    method.average_noise(samples)  # again: the draws are fixed, training's noise is not touched
    assert torch.equal(method.encode_query(text), found)
    assert torch.equal(method.noise.get_state(), state)
    method.average_noise(0)
    assert torch.equal(method.encode_query(text), silent)


def test_noise_differs_between_steps_and_repeats_with_the_seed() -> None:
    """Every update draws afresh; the same seed draws the same."""
    method = build()
    first, second = (method._imagine(rows().text)[0] for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(build()._imagine(rows().text)[0], first)
    assert not torch.equal(build(seed=8)._imagine(rows().text)[0], first)


def test_right_and_wrong_branch_draw_their_own_noise() -> None:
    """Given one text on both branches, the right and the wrong imagined feature still differ."""
    method = build(mm_reg_coeff=0.0, kl_div_coefficient=0.0)
    batch = rows()
    alike = Batch(batch.text, batch.image, batch.text, batch.wrong_image)
    loss = method._csem(alike).item()
    assert loss != pytest.approx(torch.log(torch.tensor(2.0)).item(), abs=1e-9)


def test_generator_loss_is_the_sum_of_its_terms() -> None:
    """-D(f, t) + Lc + 2 R + 1 J: R against the real images, J over both texts, halved."""
    batch, method = rows(), build()

    def loss(reg: float, kl: float) -> torch.Tensor:
        return build(mm_reg_coeff=reg, kl_div_coefficient=kl)._generator(batch)

    fake, latent = method._imagine(batch.text)
    wrong, _ = method._imagine(batch.wrong_text)
    adversarial = -method.critic(fake, batch.text).mean()
    contrast = csem_loss(latent, method.csem(fake), method.csem(wrong))
    margin = regulariser(fake, batch.image, batch.wrong_image)
    pull = sum(latent_divergence(*method.text_encoder(t)) for t in (batch.text, batch.wrong_text))
    torch.testing.assert_close(loss(0, 0), adversarial + contrast)
    torch.testing.assert_close(loss(3, 0) - loss(0, 0), 3 * margin)
    torch.testing.assert_close(loss(0, 300) - loss(0, 0), 150 * pull, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(build()._generator(batch), loss(2, 1))


def test_critic_and_csem_losses_are_of_the_right_pairs() -> None:
    """D sees (x, t) as right, (f, t) and (x_w, t) as wrong; CSEM opposes f_w to f."""
    batch = rows()
    method, other = build(), build()
    fake, latent = other._imagine(batch.text)
    critic = other.critic
    right, wrong = critic(batch.image, batch.text), critic(batch.wrong_image, batch.text)
    expected = critic_loss(right, critic(fake, batch.text), wrong)
    torch.testing.assert_close(method._critic(batch), expected)
    method, other = build(), build()
    fake, latent = other._imagine(batch.text)
    fake_wrong, _ = other._imagine(batch.wrong_text)
    expected = csem_loss(latent, other.csem(fake), other.csem(fake_wrong))
    torch.testing.assert_close(method._csem(batch), expected)
