"""The improved mode: its closed forms are what they claim, and its E- and M-steps stay apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zscr.errors import ConfigError
from zscr.train.methods import Rows
from zscr.train.methods.zscrgan.improved.choice import MARGIN, choose
from zscr.train.methods.zscrgan.improved.imagination import Imagination
from zscr.train.methods.zscrgan.improved.kernel import KernelCsem, Sums
from zscr.train.methods.zscrgan.improved.method import Config, Method
from zscr.train.methods.zscrgan.improved.sample_losses import contrastive_loss, gradient_penalty
from zscr.train.methods.zscrgan.improved.scaling import ImageScaling, TextScaling, class_means
from zscr.train.methods.zscrgan.networks import Critic

STARTS = ("image_starts", "text_starts")
SMALL = {"gf_dim": 8, "df_dim": 8, "z_dim": 2, "landmarks": 16, "batch_size": 4, "e_steps": 3}


def make_rows(classes: int = 6, seed: int = 0, images: int = 4, texts: int = 2) -> Rows:
    """Classes whose images (5-d) and texts (7-d) are two noisy views of one direction."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((classes, 3))
    views = np.random.default_rng(9).standard_normal((3, 12))

    def seen(count: int, columns: slice) -> torch.Tensor:
        rows = centres.repeat(count, 0) @ views[:, columns]
        noise = 0.1 * rng.standard_normal(rows.shape)
        return torch.tensor(rows + noise, dtype=torch.float32)

    starts = [torch.arange(classes + 1) * count for count in (images, texts)]
    return Rows(seen(images, slice(0, 5)), seen(texts, slice(5, 12)), *starts)


def started(**settings: object) -> tuple[Method, Rows]:
    rows = make_rows()
    method = Method(Config(**SMALL | settings), text_dim=7, image_dim=5)
    method.start(rows, make_rows(4, seed=1))
    return method, rows


def test_images_are_rooted_centred_and_of_mean_length_one() -> None:
    """Of seen images; negative features keep their sign."""
    images = make_rows().images
    scaling = ImageScaling(5)
    scaling.fit(images)
    scaled = scaling(images)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(5), atol=1e-6, rtol=0)
    assert float(scaled.norm(dim=1).mean()) == pytest.approx(1)
    row = torch.tensor([[4.0, -9.0, 0.0, 0.0, 0.0]])
    expected = torch.tensor([[2.0, -3.0, 0.0, 0.0, 0.0]]) / 13**0.5
    torch.testing.assert_close(scaling(row) * scaling.length + scaling.mean, expected)


@pytest.mark.parametrize(("shrink", "even"), [(1e-9, True), (1e9, False)])
def test_text_shrinkage_goes_from_whitening_to_none(shrink: float, even: bool) -> None:
    """Without shrinkage all axes of the class means weigh alike; with much they keep their own."""
    rows, scaling = make_rows(), TextScaling(7, 7)
    scaling.fit(rows, shrink)
    means = class_means(rows.texts, rows.text_starts)
    placed = (means - means.mean(0)) @ scaling.axes
    kept = torch.linalg.svdvals(placed)[:5]  # six centred means span five axes
    spread = torch.linalg.svdvals(means - means.mean(0))[:5]
    wanted = torch.ones(5) if even else spread / spread[0]
    torch.testing.assert_close(kept / kept[0], wanted, atol=1e-3, rtol=1e-3)


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


def test_contrast_is_lowest_where_pairs_meet() -> None:
    """ln(1 + e^-s) for two orthogonal pairs at scale s, and more when they are swapped."""
    pair = torch.eye(2)
    assert float(contrastive_loss(pair, pair, 3.0)) == pytest.approx(np.log1p(np.exp(-3.0)))
    assert float(contrastive_loss(pair, pair.flip(0), 3.0)) == pytest.approx(np.log1p(np.exp(3.0)))


def test_gradient_penalty_of_a_known_slope() -> None:
    """A critic that adds up a 4-d image with slope 1 has |∇D| = 2 everywhere: penalty 1."""
    critic = Critic(4, 2, 1)
    with torch.no_grad():
        for parameter in critic.parameters():
            parameter.zero_()
        critic.image.weight.fill_(1.0)
        critic.image.bias.fill_(100.0)  # the leaky ReLU passes it on
        critic.score.weight.fill_(1.0)
    rows = torch.rand(3, 4), torch.rand(3, 4), torch.rand(3, 2), torch.rand(3, 1)
    assert float(gradient_penalty(critic, *rows).detach()) == pytest.approx(1)


def test_the_default_stays_unless_validation_is_clear() -> None:
    """A candidate beside the first is taken only when it beats it by the margin."""
    rows, val = make_rows(), make_rows(4, seed=1)
    images, texts = ImageScaling(5), TextScaling(7, 7)
    images.fit(rows.images)
    csem = KernelCsem(16, 5, 7, width=1.0)
    csem.place(images(rows.images), torch.Generator().manual_seed(0))
    parts = (rows, val, images, texts, csem)
    alone = {s: choose(*parts, (s,), (0.01,)).mean_ap for s in (1.0, 0.3, 1e-6)}
    for first, second in ((1.0, 0.3), (0.3, 1.0), (1e-6, 1.0), (1.0, 1e-6)):
        clear = alone[second] >= alone[first] + MARGIN
        assert choose(*parts, (first, second), (0.01,)).shrink == (second if clear else first)


def test_each_step_moves_its_own_weights() -> None:
    """E-step: text encoder, generator, critic, averages and not CSEM; M-step: CSEM alone."""
    method, rows = started()
    before = {name: value.clone() for name, value in method.state_dict().items()}

    def moved() -> set[str]:
        state = method.state_dict()
        return {n.split(".")[0] for n in state if not torch.equal(state[n], before[n])}

    method._e_step(rows)
    assert moved() == {"imagination", "averaged", "critic"}
    before = {name: value.clone() for name, value in method.state_dict().items()}
    with torch.no_grad():
        method._m_step(rows, imagined=64)
    assert moved() == {"csem"}


def test_imagined_images_count_in_the_mapper() -> None:
    """CSEM solved with what the generator imagines differs from CSEM on real images alone."""
    method, rows = started()
    with torch.no_grad():
        method._m_step(rows, imagined=0)
        alone = method.csem.weights.clone()
        method._m_step(rows, imagined=64)
    assert float((method.csem.weights - alone).abs().max()) > 1e-3 * float(alone.abs().max())


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


def test_text_encoder_starts_at_the_identity() -> None:
    """What no data corrects stays where the closed form put it."""
    imagination = Imagination(4, 2, 8, 5)
    imagination.initialise(torch.Generator().manual_seed(0))
    texts = torch.randn(3, 4)
    torch.testing.assert_close(imagination.encode(texts), texts)


def test_fewer_classes_than_the_batch_are_refused() -> None:
    """Every row of a batch is a negative of all others, so no class may stand in it twice."""
    method = Method(Config(**SMALL | {"batch_size": 8}), text_dim=7, image_dim=5)
    with pytest.raises(ConfigError, match="batch_size=8 is more than the 6 seen classes"):
        method.start(make_rows(), make_rows(4, seed=1))
