"""Every term of every loss of `zscrgan-reference`, and what it moves, by numbers worked out here.

Networks have weights under which a pencil is enough. RMSProp's first step by a gradient g is
rate · g / sqrt(0.9 + 0.1 g²), for its accumulator starts at 1.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from zscr.train.methods.zscrgan.reference.critic_step import CriticStep
from zscr.train.methods.zscrgan.reference.csem_step import CsemStep
from zscr.train.methods.zscrgan.reference.generator_step import GeneratorBatch, GeneratorStep
from zscr.train.methods.zscrgan.reference.imagine import encode, imagine
from zscr.train.methods.zscrgan.reference.method import Config, Method
from zscr.train.methods.zscrgan.reference.optimizers import Optimizers

RATE = 0.01
SIZES = {"batch_size": 2, "gf_dim": 2, "df_dim": 1, "embed_dim": 2, "z_dim": 1}
OFF = {"adversarial": False, "triplet": False, "mm_reg_coeff": 0.0, "kl_div_coefficient": 0.0}


def first_step(gradient: float) -> float:
    """How far RMSProp's first step goes down a gradient."""
    return RATE * gradient / math.sqrt(0.9 + 0.1 * gradient**2)


def model(**settings: object) -> tuple[Method, Optimizers]:
    """Make a model of 2-d texts, latents and images whose weights are all 0."""
    rates = {"generator_lr": RATE, "discriminator_lr": RATE, "csem_lr": RATE, "clip_val": 100.0}
    method = Method(Config(**SIZES | OFF | rates | settings), {"text": (2,), "image": (2,)})
    for parameter in method.parameters():
        nn.init.zeros_(parameter)
    return method, Optimizers.of(method.config, method.networks)


def generator_loss(
    made: tuple[Method, Optimizers],
    images: list[list[list[float]]],
    texts: list[list[float]] | None = None,
    wrong: tuple[int, int] = (1, 0),
) -> float:
    """Make one generator update without noise; return its loss.

    Args:
        made: the model.
        images: the right images of both rows, and the wrong ones.
        texts: of both rows.
        wrong: the rows whose texts are the wrong ones of rows 0 and 1.
    """
    method, optimizers = made
    text, networks = torch.tensor(texts or [[0.0, 0.0]] * 2), method.networks
    pairs, eps = torch.tensor([0, 1, *wrong]), torch.zeros(4, 2)
    with torch.no_grad():
        encoded = encode(networks, text, torch.arange(2))
        imagined = imagine(networks, encoded, pairs, eps, torch.zeros(4, 1))
        batch = GeneratorBatch(text, encoded, imagined, pairs, eps, torch.tensor(images))
        return GeneratorStep(method.config, networks, optimizers)(batch).item()


def test_the_generator_climbs_the_critics_score() -> None:
    """It imagines f = (3, 5), and D(f) = 2 · (3 + 2 · 5) + 7 = 33 enters its loss as -33.

    D grows by 2 and 4 with the two features, so their biases rise; wrong images are not judged.
    """
    method, _ = made = model(adversarial=True)
    with torch.no_grad():
        method.generator.fc3.bias.copy_(torch.tensor([3.0, 5.0]))
        method.critic.image.weight.copy_(torch.tensor([[1.0, 2.0]]))
        method.critic.score.weight.fill_(2.0)
        method.critic.score.bias.fill_(7.0)
    assert generator_loss(made, [[[0.0, 0.0]] * 2] * 2) == pytest.approx(-33)
    expected = torch.tensor([3 + first_step(2), 5 + first_step(4)])
    torch.testing.assert_close(method.generator.fc3.bias.data, expected)


def test_the_critic_sees_the_text_beside_an_imagined_image() -> None:
    """D = leaky(t) with t = -10 and 4: scores -2 and 4, of which -1 is the mean."""
    method, _ = made = model(adversarial=True)
    with torch.no_grad():
        method.critic.text.weight.copy_(torch.tensor([[1.0, 0.0]]))
        method.critic.score.weight.fill_(1.0)
    loss = generator_loss(made, [[[0.0, 0.0]] * 2] * 2, [[-10.0, 0.0], [4.0, 0.0]])
    assert loss == pytest.approx(-(-2 + 4) / 2)


def test_the_generator_comes_near_right_images_and_leaves_wrong_ones() -> None:
    """f = (3, 5): |f - x| = 6, |f - x_w| = (8 + 11) / 2, so R = 6 - 9.5 + 2; it counts twice.

    Signs of f - x are (1, -1) in both rows, of f - x_w (1, 1) and (-1, 1).
    """
    method, _ = made = model(mm_reg_coeff=2.0)
    with torch.no_grad():
        method.generator.fc3.bias.copy_(torch.tensor([3.0, 5.0]))
    images = [[[1.0, 9.0], [1.0, 9.0]], [[0.0, 0.0], [10.0, 1.0]]]
    assert generator_loss(made, images) == pytest.approx(2 * (6 - 9.5 + 2))
    expected = torch.tensor([3 - first_step(2 * (1 - 0)), 5 - first_step(2 * (-1 - 1))])
    torch.testing.assert_close(method.generator.fc3.bias.data, expected)


def test_the_encoder_is_pulled_to_the_origin() -> None:
    """mu = s = ln 2: J = (e^t - 1 - t) / 2 + (mu² + s²) / 4 with t = ln 4, here weighed by 3.

    Its slope is (e^t - 1 + mu) / 2 = (3 + ln 2) / 2, and half of that for the mean of two axes.
    """
    method, _ = made = model(kl_div_coefficient=3.0)
    half = math.log(2)
    with torch.no_grad():
        method.text_encoder.fc.bias.fill_(half)
    loss = generator_loss(made, [[[0.0, 0.0]] * 2] * 2)
    assert loss == pytest.approx(3 * ((3 - 2 * half) / 2 + 2 * half**2 / 4))
    expected = torch.full((4,), half - first_step(3 * (3 + half) / 2 / 2))
    torch.testing.assert_close(method.text_encoder.fc.bias.data, expected)


@pytest.mark.parametrize(
    ("wrong", "texts", "exponent"),
    [
        ((1, 0), [[1.0, 0.0], [0.0, 1.0]], 0 - 1),
        ((0, 1), [[1.0, 0.0], [0.0, 1.0]], 1 - 1),
        ((1, 0), [[1.0, 0.0], [1.0, 1.0]], 0.5**0.5 - 1),
    ],
)
def test_the_generator_and_csem_are_contrasted_with_wrong_texts(
    wrong: tuple[int, int], texts: list[list[float]], exponent: float
) -> None:
    """All layers pass a text on, so cosines of mapped and latent are those of the texts.

    Lc = log(1 + exp(cosine of wrong ones - cosine of right ones)): 1 of a text with itself.
    """
    method, _ = made = model(triplet=True)
    generator = method.generator
    with torch.no_grad():
        for layer in (method.text_encoder.fc, generator.fc1, generator.fc2, generator.fc3):
            layer.weight[:2, :2] = torch.eye(2)
        method.csem.fc.weight.copy_(torch.eye(2))
    loss = generator_loss(made, [[[0.0, 0.0]] * 2] * 2, texts, wrong)
    assert loss == pytest.approx(math.log(1 + math.exp(exponent)))


def test_csem_turns_wrong_images_away() -> None:
    """c = h(f) = (1, 0) and h(f_w) = (0, 1): Lc = log(1 + e^(0 - 1)).

    The right cosine is at its highest already. So only what maps the wrong image's second axis to
    c's moves, downwards, by Adam's first step, which is the rate.
    """
    method, optimizers = model()
    with torch.no_grad():
        method.csem.fc.weight.copy_(torch.eye(2))
        imagined = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]])
        loss = CsemStep(method.csem, optimizers.csem)(torch.tensor([[1.0, 0.0]]), imagined)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1)))
    expected = torch.tensor([[1.0, -RATE], [0.0, 1.0]])
    torch.testing.assert_close(method.csem.fc.weight.data, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("wrong", "loss", "slope"),
    [
        # real: (leaky(5 - 20) + 9) · 2 / 2; wrong: (leaky(9 - 20) + 5) · 2 / 2
        ("previous", 0.5 * (-0.8 + 2.8) - 6, 0.5 * (-0.4 + 1.4) - 3),
        ("none", -0.8 - 6, -0.4 - 3),
        ("drawn", 0.5 * (-0.8 + 22) - 6, 0.5 * (-0.4 + 11) - 3),  # wrong: leaky(20 - 20) + 22
    ],
)
def test_the_critic_tells_fakes_and_wrong_images_from_real_ones(
    wrong: str, loss: float, slope: float
) -> None:
    """D = 2 leaky(image + text); fakes 1 and 3, real 5 and 9, drawn wrong 20 and 22, texts -20, 0.

    The loss is (D(f,t) + D(x_w,t)) / 2 - D(x,t), and its slope in the score's weight that of D / 2.
    """
    method, optimizers = model()
    step = CriticStep(method.critic, optimizers.critic, batch=2, wrong=wrong)
    images = [1.0, 3.0, 5.0, 9.0, *([20.0, 22.0] if wrong == "drawn" else [])]
    with torch.no_grad():
        method.critic.image.weight.copy_(torch.tensor([[1.0, 0.0]]))
        method.critic.text.weight.copy_(torch.tensor([[1.0, 0.0]]))
        method.critic.score.weight.fill_(2.0)
        rows = torch.tensor([[image, 0.0] for image in images])
        found = step(rows, torch.tensor([[-20.0, 0.0], [0.0, 0.0]]))
    assert found.item() == pytest.approx(loss)
    assert method.critic.score.weight.item() == pytest.approx(2 - first_step(slope))


def test_the_critics_first_layer_moves_by_its_pairs() -> None:
    """With all hidden values above 0 its bias rests: the negatives' halves cancel the positive.

    The image's weight has the slope 2 · ((1 + 3 + 5 + 9) / 4 - (5 + 9) / 2) = -5.
    """
    method, optimizers = model()
    step = CriticStep(method.critic, optimizers.critic, batch=2, wrong="previous")
    with torch.no_grad():
        method.critic.image.weight.copy_(torch.tensor([[1.0, 0.0]]))
        method.critic.score.weight.fill_(2.0)
        step(torch.tensor([[1.0, 0.0], [3.0, 0.0], [5.0, 0.0], [9.0, 0.0]]), torch.zeros(2, 2))
    assert method.critic.image.weight[0, 0].item() == pytest.approx(1 - first_step(-5))
    assert method.critic.image.bias.item() == pytest.approx(0, abs=1e-6)
