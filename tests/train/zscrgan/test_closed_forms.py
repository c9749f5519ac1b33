"""What `zscrgan` fits in closed form: scalings, kernel and ridge."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from zscr.train.methods.ridge import ridge
from zscr.train.methods.scaling import Scaling
from zscr.train.methods.zscrgan.improved.imagination import Imagination
from zscr.train.methods.zscrgan.improved.kernel import KernelCsem, Sums
from zscr.train.methods.zscrgan.improved.scaling import TextScaling
from zscr.train.tables import TensorSplit

Views = Callable[..., TensorSplit]


def test_images_are_rooted_centred_and_of_mean_length_one(views: Views) -> None:
    """Of seen images; negative features keep their sign."""
    images = views()["image"].rows
    scaling = Scaling(5, rooted=True)
    scaling.fit(images)
    scaled = scaling(images)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(5), atol=1e-6, rtol=0)
    assert float(scaled.norm(dim=1).mean()) == pytest.approx(1)
    row = torch.tensor([[4.0, -9.0, 0.0, 0.0, 0.0]])
    expected = torch.tensor([[2.0, -3.0, 0.0, 0.0, 0.0]]) / 13**0.5
    torch.testing.assert_close(scaling(row) * scaling.length + scaling.mean, expected)


@pytest.mark.parametrize(("shrink", "even"), [(1e-9, True), (1e9, False)])
def test_text_shrinkage_goes_from_whitening_to_none(
    views: Views, shrink: float, even: bool
) -> None:
    """Without shrinkage all axes of the class means weigh alike; with much they keep their own."""
    texts, scaling = views()["text"], TextScaling(7, 7)
    scaling.fit(texts, shrink)
    means = texts.rows.view(6, 2, 7).mean(1)
    placed = (means - means.mean(0)) @ scaling.axes
    kept = torch.linalg.svdvals(placed)[:5]  # six centred means span five axes
    spread = torch.linalg.svdvals(means - means.mean(0))[:5]
    wanted = torch.ones(5) if even else spread / spread[0]
    torch.testing.assert_close(kept / kept[0], wanted, atol=1e-3, rtol=1e-3)


def test_texts_are_centred_and_of_length_one(views: Views) -> None:
    """By the mean of the class means, not of all texts."""
    texts, scaling = views()["text"], TextScaling(7, 7)
    scaling.fit(texts, 1.0)
    torch.testing.assert_close(scaling.mean, texts.rows.view(6, 2, 7).mean(1).mean(0))
    torch.testing.assert_close(scaling(texts.rows).norm(dim=1), torch.ones(12))


def test_ridge_by_hand() -> None:
    """x = 1, 2 and y = 3, 5 with penalty 2: w = (3 + 10) / (1 + 4 + 2)."""
    found = ridge(torch.tensor([[1.0 + 4.0 + 2.0]]), torch.tensor([[3.0 + 10.0]]))
    assert found.item() == pytest.approx(13 / 7)


def test_the_mapper_minimises_its_objective() -> None:
    """No small step in any direction lowers Σ w |kW - y|² + penalty tr(WᵀKW): weights included."""
    noise = torch.Generator().manual_seed(0)
    images, targets = torch.randn(30, 4, generator=noise), torch.randn(30, 3, generator=noise)
    weight = torch.rand(30, 1, generator=noise) + 0.5
    csem = KernelCsem(8, 4, 3, width=0.3)
    csem.place(images, noise)
    k, between = csem.kernel(images), csem.kernel(csem.landmarks)

    def objective(w: torch.Tensor) -> torch.Tensor:
        fit = (weight * (k @ w - targets).square()).sum()
        return fit + 0.7 * (w * (between @ w)).sum()

    found = csem.solve(Sums((weight * k).T @ k, (weight * k).T @ targets), 0.7)
    for _ in range(20):
        step = 0.05 * torch.randn(found.shape, generator=noise)
        assert objective(found + step) > objective(found)


def test_the_kernel_is_gaussian_and_landmarks_may_outnumber_images() -> None:
    """k = exp(-width |x - l|²), at 1 on the landmark itself; few images are taken several times."""
    images = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    csem = KernelCsem(5, 2, 1, width=0.1)
    csem.place(images, torch.Generator().manual_seed(0))
    found = csem.kernel(images)
    far = torch.tensor(-0.1 * 25).exp()
    at_origin = (csem.landmarks == 0).all(1)
    torch.testing.assert_close(found[0], torch.where(at_origin, torch.tensor(1.0), far))
    assert set(map(tuple, csem.landmarks.tolist())) == {(0.0, 0.0), (3.0, 4.0)}


def test_the_generator_starts_at_ridge_regression() -> None:
    """Its prototypes are the least-squares solution with the penalty as added rows."""
    noise = torch.Generator().manual_seed(0)
    latents, images = torch.randn(9, 4, generator=noise), torch.randn(9, 5, generator=noise)
    imagination = Imagination(4, 2, 8, 5)
    imagination.initialise(noise)
    imagination.start(latents, images, penalty=0.5)
    rows = np.vstack([latents.numpy(), 0.5**0.5 * np.eye(4)])
    solved = np.linalg.lstsq(rows, np.vstack([images.numpy(), np.zeros((4, 5))]), rcond=None)[0]
    np.testing.assert_allclose(imagination.prototype.weight.detach(), solved.T, atol=1e-5)


def test_the_text_encoder_starts_at_the_identity() -> None:
    """What no data corrects stays where the closed form put it."""
    imagination = Imagination(4, 2, 8, 5)
    imagination.initialise(torch.Generator().manual_seed(0))
    texts = torch.randn(3, 4)
    torch.testing.assert_close(imagination.encode(texts), texts)
