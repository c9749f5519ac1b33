"""Every term of the E-step's losses, and what an update moves, by numbers worked out here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from zscr.infer.features.table import Split, Table
from zscr.train.methods.losses import info_nce
from zscr.train.methods.zscrgan.draws import Draws
from zscr.train.methods.zscrgan.improved.config import Config
from zscr.train.methods.zscrgan.improved.e_step import EStep
from zscr.train.methods.zscrgan.improved.imagination import Imagination
from zscr.train.methods.zscrgan.improved.losses import gradient_penalty
from zscr.train.methods.zscrgan.networks import Critic

TEXTS = torch.eye(2)  # of two classes, also their latents: there is no noise around them
OFF = {"reconstruction": 0.0, "adversarial": 0.0, "correction_decay": 0.0, "latent_noise": 0.0}
RESTING = {"generator_lr": 0.0, "discriminator_lr": 0.0}


@dataclass(frozen=True)
class Parts:
    """An E-step over 2-d texts and images with weights 0, and what it works on."""

    step: EStep
    imagination: Imagination
    averaged: Imagination
    critic: Critic


class Swap(nn.Module):
    """A CSEM that maps an image's axes to the latent's in turned order."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.flip(1)


def parts(csem: nn.Module | None = None, **settings: object) -> Parts:
    config = Config(z_dim=1, **OFF | RESTING | settings)
    imagination, averaged = (Imagination(2, 1, 1, 2) for _ in range(2))
    critic = Critic(2, 2, 1)
    for module in (imagination, averaged, critic):
        for parameter in module.parameters():
            nn.init.zeros_(parameter)
    averaged.requires_grad_(False)
    learned = {"critic": critic, "generator": imagination}
    rates = {"critic": config.discriminator_lr, "generator": config.generator_lr}
    optimizers = {n: torch.optim.Adam(learned[n].parameters(), rates[n]) for n in learned}
    noise = torch.Generator().manual_seed(1)
    trained = imagination, averaged, critic, csem or nn.Identity()
    step = EStep(config, *trained, optimizers, noise)
    return Parts(step, imagination, averaged, critic)


def imagining_texts(made: Parts) -> Parts:
    """Let a text's imagined image be the text."""
    nn.init.eye_(made.imagination.prototype.weight)
    return made


def contrast(*pairs_met: bool) -> float:
    """What two orthogonal pairs cost at scale 3: ln(1 + e^-3), or ln(1 + e^3) if swapped."""
    return sum(math.log(1 + math.exp(-3.0 if met else 3.0)) for met in pairs_met)


@pytest.mark.parametrize("imagined_meet", [True, False])
@pytest.mark.parametrize("real_meet", [True, False])
def test_latents_are_contrasted_with_imagined_and_with_real_images(
    imagined_meet: bool, real_meet: bool
) -> None:
    """Each contrast is its own: both have the weight 1, whether its pairs meet or are swapped."""
    made = parts(None if imagined_meet else Swap(), contrast=3.0)
    real = TEXTS if real_meet == imagined_meet else TEXTS.flip(0)
    loss = imagining_texts(made).step.update_generator(TEXTS, real)
    assert loss.item() == pytest.approx(contrast(imagined_meet, real_meet))


def test_imagined_images_are_drawn_to_real_ones() -> None:
    """|f - x| is 1 and 2 on both axes of both rows: the mean 1.5 counts 7 times, and falls."""
    made = parts(reconstruction=7.0, contrast=1e-6, generator_lr=0.1)
    real = torch.tensor([[1.0, -2.0], [1.0, -2.0]])
    loss = made.step.update_generator(TEXTS, real)
    assert loss.item() == pytest.approx(2 * math.log(2) + 7 * 1.5, abs=1e-4)
    # Adam's first step is its rate, towards the real images.
    torch.testing.assert_close(made.imagination.prototype.bias.data, torch.tensor([0.1, -0.1]))


def test_the_generator_climbs_the_critics_score() -> None:
    """D = 5 · (f_1 - 2 f_2 + 3) = 15 enters as -0.2 · 15; f_1 then rises and f_2 falls."""
    made = parts(adversarial=0.2, contrast=1e-6, generator_lr=0.1)
    with torch.no_grad():
        made.critic.image.weight.copy_(torch.tensor([[1.0, -2.0]]))
        made.critic.image.bias.fill_(3.0)
        made.critic.score.weight.fill_(5.0)
    loss = made.step.update_generator(TEXTS, torch.zeros(2, 2))
    assert loss.item() == pytest.approx(2 * math.log(2) - 0.2 * 15, abs=1e-4)
    torch.testing.assert_close(made.imagination.prototype.bias.data, torch.tensor([0.1, -0.1]))


def test_the_critic_is_shown_the_means_beside_an_imagined_image() -> None:
    """D = t_1 + 10 t_2, of the latents (1, 0) and (0, 1): 5.5 is the mean."""
    made = parts(adversarial=1.0, contrast=1e-6)
    with torch.no_grad():
        made.critic.text.weight.copy_(torch.tensor([[1.0, 10.0]]))
        made.critic.score.weight.fill_(1.0)
    loss = made.step.update_generator(TEXTS, torch.zeros(2, 2))
    assert loss.item() == pytest.approx(2 * math.log(2) - 5.5, abs=1e-4)


def test_corrections_of_the_text_encoder_decay() -> None:
    """Four weights of 0.5 have the squared length 1, which counts 3 times, and they shrink."""
    made = parts(correction_decay=3.0, contrast=1e-6, generator_lr=0.1)
    nn.init.constant_(made.imagination.correction.weight, 0.5)
    loss = made.step.update_generator(TEXTS, torch.zeros(2, 2))
    assert loss.item() == pytest.approx(2 * math.log(2) + 3 * 1, abs=1e-4)
    expected = torch.full((2, 2), 0.4)
    torch.testing.assert_close(made.imagination.correction.weight.data, expected)


def test_averages_keep_most_of_what_they_were() -> None:
    """At a decay of 0.9, of an average of 1 and a weight of 11 comes 2."""
    made = parts(ema=0.9)
    for parameter in made.imagination.parameters():
        nn.init.constant_(parameter, 11.0)
    for parameter in made.averaged.parameters():
        nn.init.constant_(parameter, 1.0)
    made.step.update_generator(TEXTS, TEXTS)
    for parameter in made.averaged.parameters():
        torch.testing.assert_close(parameter.data, torch.full_like(parameter, 2.0))


def linear_critic(made: Parts) -> Parts:
    """D = x_1 + t_1, far from the kink of its leaky ReLU; its slope is 1, so nothing is penal."""
    with torch.no_grad():
        made.critic.image.weight.copy_(torch.tensor([[1.0, 0.0]]))
        made.critic.image.bias.fill_(1000.0)
        made.critic.text.weight.copy_(torch.tensor([[1.0, 0.0]]))
        made.critic.score.weight.fill_(1.0)
        made.critic.score.bias.fill_(-1000.0)
    return made


def test_the_critic_tells_fakes_and_wrong_images_from_real_ones() -> None:
    """Scores are 4 of fakes, 30 of wrong and 7 of real images: (4 + 30) / 2 - 7."""
    made = linear_critic(parts())
    nn.init.constant_(made.imagination.prototype.bias, 4.0)
    texts = torch.tensor([[0.0, 1.0], [0.0, -1.0]])
    rows = torch.tensor([[6.0, 9.0], [8.0, 9.0]]), torch.tensor([[20.0, 9.0], [40.0, 9.0]])
    loss = made.step.update_critic(texts, *rows)
    assert loss.item() == pytest.approx((4 + 30) / 2 - 7, abs=1e-3)


def test_the_critic_moves_down_its_loss() -> None:
    """Real images score higher after an update, and nothing but the critic has moved."""
    made = parts(discriminator_lr=0.01)
    linear_critic(made)
    rows = TEXTS, torch.tensor([[6.0, 0.0], [8.0, 0.0]]), torch.zeros(2, 2)

    def margin() -> float:
        return (made.critic(rows[1], TEXTS) - made.critic(rows[2], TEXTS)).mean().item()

    before = margin()
    made.step.update_critic(*rows)
    assert margin() > before
    assert not any(p.any() for p in made.imagination.parameters())


def test_a_steep_critic_is_penalised_ten_times() -> None:
    """D = 3 x_1 has the slope 3, so 10 · (3 - 1)² comes on top of the scores' difference."""
    made = linear_critic(parts())
    nn.init.constant_(made.critic.score.weight, 3.0)
    loss = made.step.update_critic(torch.zeros(2, 2), torch.full((2, 2), 5.0), torch.zeros(2, 2))
    assert loss.item() == pytest.approx(-3 * 5 + 10 * (3 - 1) ** 2, abs=1e-2)


def test_gradient_penalty_of_a_known_slope() -> None:
    """A critic that adds up a 4-d image with slope 1 has |∇D| = 2 everywhere: penalty 1."""
    critic = Critic(4, 2, 1)
    for parameter in critic.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(critic.image.weight, 1.0)
    nn.init.constant_(critic.image.bias, 100.0)  # the leaky ReLU passes it on
    nn.init.constant_(critic.score.weight, 1.0)
    rows = torch.rand(3, 4), torch.rand(3, 4), torch.rand(3, 2), torch.rand(3, 1)
    assert float(gradient_penalty(critic, *rows).detach()) == pytest.approx(1)


def test_the_penalty_is_taken_between_real_and_fake() -> None:
    """The slope is 1 above the kink and 0.2 below; the real 10 has shares of 0.9, 0.7 and 0.1."""
    critic = Critic(1, 1, 1)
    for parameter in critic.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(critic.image.weight, 1.0)
    nn.init.constant_(critic.score.weight, 1.0)
    real, share = torch.full((3, 1), 10.0), torch.tensor([[0.9], [0.7], [0.1]])
    found = gradient_penalty(critic, real, -real, torch.zeros(3, 1), share)
    assert float(found.detach()) == pytest.approx((0 + 0 + 0.8**2) / 3)


def test_a_batchs_numbers_are_those_of_its_rows() -> None:
    """Texts, images and wrong images are taken from their own tables by their own numbers.

    The critic's right images are 30 and 100, its wrong ones 20 and 50, the generator's 20 and 100.
    Two turns of the same rows have the mean losses of one, for nothing moves.
    """
    made = linear_critic(parts(critic_steps=1, contrast=3.0, reconstruction=1.0))
    images = torch.tensor([[20.0, 0.0], [30.0, 0.0], [50.0, 0.0], [100.0, 0.0]])
    texts = torch.tensor([[0.0, 1.0], [0.0, -1.0], [0.0, 2.0]])
    tables = {
        name: Table(tuple(map(str, rows[:, 0].tolist())), rows, torch.tensor([0, 1, len(rows)]))
        for name, rows in (("image", images), ("text", texts))
    }
    turn = [
        [[0, 1], [1, 2]],  # texts of the critic's batch and of the generator's
        [[1, 3], [0, 3]],
        [[1, 0], [2, 1]],
        [[0, 2], [1, 2]],
    ]
    losses = made.step.run(
        Split(("a", "b"), tables), Draws(*(torch.tensor(numbers + numbers) for numbers in turn))
    )
    assert losses["loss/critic"].item() == pytest.approx((0 + 35) / 2 - 65, abs=1e-2)
    # The generator's texts are opposite, its images alike, and it imagines zeros on both axes.
    alone = info_nce(texts[1:], images[[0, 3]], 3.0) + math.log(2) + (20 + 100) / 4
    assert losses["loss/generator"].item() == pytest.approx(alone.item(), abs=1e-4)


@pytest.mark.parametrize("critic", [True, False])
def test_imagined_images_are_of_noisy_latents(critic: bool) -> None:
    """f is the latent and D its first axis: the mean of two has the deviation 3 · 0.8796 / 2^1/2.

    It counts half in the critic's loss, and whole in the generator's.
    """
    made = parts(latent_noise=3.0, adversarial=1.0, contrast=1e-6)
    imagining_texts(linear_critic(made))
    rows = torch.zeros(2, 2)
    update = made.step.update_critic if critic else made.step.update_generator
    losses = torch.stack([update(*[rows] * (3 if critic else 2)) for _ in range(500)])
    whole = 3 * 0.8796 / 2**0.5
    assert losses.std().item() == pytest.approx(whole / 2 if critic else whole, rel=0.15)


@pytest.mark.parametrize(("turned", "sign"), [(False, -1), (True, 1)])
def test_contrast_is_lowest_where_pairs_meet(turned: bool, sign: int) -> None:
    """ln(1 + e^-s) for two orthogonal pairs at scale s, and more when they are swapped."""
    right = torch.eye(2).flip(0) if turned else 5 * torch.eye(2)
    found = info_nce(4 * torch.eye(2), right, 3.0)
    assert float(found) == pytest.approx(math.log1p(math.exp(sign * 3.0)))


def test_contrast_goes_both_ways() -> None:
    """Of two lefts with one right, each left has its pair, but each right has two alike.

    Cosines are 1 and 1, 0 and 0: ln 2 along the rows; along the columns ln(1 + e^-2) and
    ln(1 + e^2).
    """
    left, right = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    columns = (math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2
    assert float(info_nce(left, right, 2.0)) == pytest.approx((math.log(2) + columns) / 2)
