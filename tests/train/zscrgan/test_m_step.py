"""The M-step by numbers worked out here: one landmark that is alike to every image.

With a kernel of 1 everywhere CSEM has one weight a latent's axis, and maps all images to it:
w = (Σ weights · latents) / (Σ weights + penalty).
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from zscr.infer.features.table import Split, Table
from zscr.train.methods.zscrgan.improved.config import Config
from zscr.train.methods.zscrgan.improved.imagination import Imagination
from zscr.train.methods.zscrgan.improved.kernel import JITTER, KernelCsem
from zscr.train.methods.zscrgan.improved.m_step import MStep, RealSums
from zscr.train.tables import TensorSplit


def table(rows: list[list[float]], starts: list[int]) -> Table[torch.Tensor]:
    return Table(tuple(map(str, range(len(rows)))), torch.tensor(rows), torch.tensor(starts))


def split(texts: list[list[float]], images: list[int]) -> TensorSplit:
    """Make classes of one text and as many images."""
    starts = [0, *torch.tensor(images).cumsum(0).tolist()]
    of_images = table([[float(n)] for n in range(sum(images))], starts)
    return Split(
        tuple(map(str, images)),
        {"image": of_images, "text": table(texts, list(range(len(texts) + 1)))},
    )


def m_step(seen: TensorSplit, penalty: float, width: float = 0.0, **settings: object) -> MStep:
    """Make an M-step over 1-d images and 2-d latents that are the texts."""
    imagination = Imagination(2, 1, 1, 1)
    for parameter in imagination.parameters():
        nn.init.zeros_(parameter)
    csem = KernelCsem(1, 1, 2, width)
    config, noise = Config(z_dim=1, **settings), torch.Generator().manual_seed(1)
    real = RealSums.of(csem, seen["image"])
    return MStep(config, csem, imagination, torch.tensor(penalty), real, seen["text"], noise)


def test_real_images_count_alike() -> None:
    """Three images of latent (4, 0), one of (0, 8): (12, 8) over 4 images and a penalty of 2."""
    step = m_step(split([[4.0, 0.0], [0.0, 8.0]], [3, 1]), penalty=2.0)
    residual = step.run(imagined=0)
    expected = torch.tensor([[12.0, 8.0]]) / (4 + 2 + JITTER)
    torch.testing.assert_close(step.csem.weights, expected)
    # mapped to (2, 4/3): |(2, -4/3)|² three times and |(2, -20/3)|² once
    assert residual.item() == pytest.approx((3 * (4 + 16 / 9) + 4 + 400 / 9) / 4, rel=1e-3)


def test_a_classs_texts_have_one_latent() -> None:
    """Of texts (1, 0) and (3, 2) it is (2, 1)."""
    seen = split([[0.0, 0.0]], [2])
    texts = table([[1.0, 0.0], [3.0, 2.0]], [0, 2])
    step = m_step(Split(seen.groups, {**seen.tables, "text": texts}), penalty=0.0)
    step.run(imagined=0)
    torch.testing.assert_close(step.csem.weights, torch.tensor([[2.0, 1.0]]), rtol=1e-3, atol=0)


def test_latents_are_those_of_the_averaged_text_encoder() -> None:
    """Its correction here adds the text once more: of (1, 2) it makes (2, 4)."""
    step = m_step(split([[1.0, 2.0]], [3]), penalty=0.0)
    nn.init.eye_(step.averaged.correction.weight)
    step.run(imagined=0)
    torch.testing.assert_close(step.csem.weights, torch.tensor([[2.0, 4.0]]), rtol=1e-3, atol=0)


@pytest.mark.parametrize("imagined", [1, 10])
def test_imagined_images_weigh_their_share(imagined: int) -> None:
    """At a share of 0.5 four real images and all imagined ones weigh 4 + 2, however many.

    All have the latent (2, 0), so w = 2 · 6 / (6 + 2).
    """
    step = m_step(split([[2.0, 0.0]], [4]), penalty=2.0, imagined_share=0.5)
    step.run(imagined=imagined)
    torch.testing.assert_close(step.csem.weights, torch.tensor([[1.5, 0.0]]), rtol=1e-4, atol=1e-6)


def test_imagined_images_are_where_the_generator_puts_them() -> None:
    """It imagines 0, where the landmark is; the real images are too far away to be seen by it.

    So the real ones weigh nothing in w = 2 · 3 / (3 + 1), for 6 of them at a share of 0.5.
    """
    seen = split([[2.0, 0.0]], [6])
    far = Table(seen["image"].ids, seen["image"].rows + 100, seen["image"].starts)
    apart = Split(seen.groups, {**seen.tables, "image": far})
    step = m_step(apart, penalty=1.0, width=1.0, imagined_share=0.5)
    residual = step.run(imagined=8)
    torch.testing.assert_close(step.csem.weights, torch.tensor([[1.5, 0.0]]), rtol=1e-4, atol=1e-6)
    assert residual.item() == pytest.approx(4)  # real images are mapped to 0, and only they count


def angles(mixing: float) -> torch.Tensor:
    """Return the angles in degrees of latents mixed of one along the first axis, one across it."""
    step = m_step(split([[1.0, 0.0], [0.0, 3.0]], [1, 1]), penalty=1.0, mixing=mixing)
    found = step.mixed(torch.tensor([[1.0, 0.0], [0.0, 3.0]]), 4000)
    torch.testing.assert_close(found.norm(dim=1), torch.full((4000,), 2.0))  # the mean length
    return torch.atan2(found[:, 1], found[:, 0]).rad2deg()


def test_imagined_latents_lie_between_two_classes() -> None:
    """Up to a fifth of the other class: 0.2 · 3 against 0.8 · 1 in one, 0.2 against 0.8 · 3."""
    found = angles(0.2)
    first, second = found[found < 45], found[found > 45]
    assert first.max().item() == pytest.approx(math.degrees(math.atan(0.6 / 0.8)), abs=0.5)
    assert second.min().item() == pytest.approx(math.degrees(math.atan(2.4 / 0.2)), abs=0.5)
    assert 0.4 < len(first) / 4000 < 0.6
    alone = ((found == 0) | (found == 90)).float().mean().item()
    assert alone == pytest.approx(0.5, abs=0.05)  # both classes are often the same one


def test_without_mixing_imagined_latents_are_the_classes() -> None:
    """At 0 nothing lies between."""
    assert set(angles(0.0).tolist()) == {0.0, 90.0}


def test_latent_noise_moves_what_is_imagined() -> None:
    """A latent's first axis is its image; noise moves images away from the landmark, at 2.

    Under a high penalty CSEM's weight is nearly the mean kernel: of exp(-eps²) with a truncated
    normal it is 3^-1/2 · P(|x| < 12^1/2) / P(|x| < 2) = 0.605. Real images weigh next to nothing.
    """

    def weight(latent_noise: float) -> float:
        settings = {"latent_noise": latent_noise, "imagined_share": 1e3}
        step = m_step(split([[2.0, 0.0]], [1]), 1e5, 1.0, **settings)
        nn.init.constant_(step.averaged.prototype.weight[:, :1], 1.0)
        step.csem.landmarks.fill_(2.0)
        step.run(imagined=20000)
        return step.csem.weights[0, 0].item()

    assert weight(1.0) / weight(0.0) == pytest.approx(0.605, abs=0.01)
