"""The deployed heads of both methods, computed by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from zscr.train.methods.zscrgan.heads import FixedNoise
from zscr.train.methods.zscrgan.improved.heads import QueryHead
from zscr.train.methods.zscrgan.improved.imagination import Imagination
from zscr.train.methods.zscrgan.improved.method import Config as ImprovedConfig
from zscr.train.methods.zscrgan.improved.method import Method as Improved
from zscr.train.methods.zscrgan.improved.scaling import TextScaling
from zscr.train.methods.zscrgan.reference.method import Config, Method
from zscr.train.tables import TensorSplit

SMALL = {"gf_dim": 6, "df_dim": 5, "embed_dim": 7, "z_dim": 3, "batch_size": 4}
SHAPES = {"text": (4,), "image": (6,)}


def filled(module: nn.Module, weight: float = 0.0, bias: float = 0.0) -> None:
    """Make every kernel and every bias one number."""
    for name, parameter in module.named_parameters():
        nn.init.constant_(parameter, bias if name.endswith("bias") else weight)


def reference() -> Method:
    """Make a 2-d model that imagines (c_1, c_2) of its latent c, and maps it as it is."""
    sizes = {"gf_dim": 2, "df_dim": 1, "embed_dim": 2, "z_dim": 1}
    method = Method(Config(**sizes), {"text": (1,), "image": (2,)})
    for network in (method.text_encoder, method.generator, method.csem):
        filled(network)
    with torch.no_grad():
        method.text_encoder.fc.weight.copy_(torch.tensor([[3.0], [4.0], [0.0], [0.0]]))
        for layer in (method.generator.fc1, method.generator.fc2, method.generator.fc3):
            layer.weight[:2, :2] = torch.eye(2)
        method.csem.fc.weight.copy_(torch.eye(2))
    return method


def test_a_reference_query_is_csem_of_what_its_mean_lets_imagine() -> None:
    """mu = (3, 4) passes all layers, and its unit row is (0.6, 0.8): eps and z are 0."""
    found = reference().heads()["text"].module(torch.tensor([[1.0], [2.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0.6, 0.8]]))


def test_z_reaches_the_generator_of_a_query() -> None:
    """With K draws z moves what is imagined; without, z is 0."""
    method = reference()
    with torch.no_grad():
        method.generator.fc1.weight[0, 2] = 5.0
        method.text_encoder.fc.bias[2:] = -200.0  # log-sigma, after the leaky ReLU -40: eps is shut
    text = torch.ones(1, 1)
    torch.testing.assert_close(method.heads()["text"].module(text), torch.tensor([[0.6, 0.8]]))
    head = method.heads(noise_samples=1)["text"].module
    z = float(head.noise.z)
    row = torch.tensor([[max(3 + 5 * z, 0.0), 4.0]])  # max: the generator's last ReLU
    torch.testing.assert_close(head(text), row / row.norm())


def test_log_sigma_is_a_logarithm() -> None:
    """c = mu + exp(log-sigma) · eps: of log-sigma ln 2 an eps moves the latent twice as far."""
    method = reference()
    with torch.no_grad():
        method.text_encoder.fc.bias[2:] = torch.tensor(2.0).log()
    head = method.heads(noise_samples=1)["text"].module
    latent = torch.tensor([[3.0, 4.0]]) + 2 * head.noise.eps
    row = latent.clamp_min(0)
    torch.testing.assert_close(head(torch.ones(1, 1)), row / row.norm())


def test_gallery_rows_are_csem_of_the_real_feature() -> None:
    """(6, 8) -> (0.6, 0.8) by CSEM that changes nothing; negatives pass at 0.2."""
    found = reference().heads()["gallery"].module(torch.tensor([[6.0, 8.0], [6.0, -40.0]]))
    torch.testing.assert_close(found, torch.tensor([[0.6, 0.8], [0.6, -0.8]]))


def test_raw_features_are_compared_without_csem() -> None:
    """The imagined (3, 4) and a real (6, 8) at length 1, whatever CSEM would make of them."""
    method = reference()
    filled(method.csem, weight=7.0)
    heads = method.heads(raw_feature=True)
    expected = torch.tensor([[0.6, 0.8]])
    torch.testing.assert_close(heads["text"].module(torch.ones(1, 1)), expected)
    torch.testing.assert_close(heads["gallery"].module(torch.tensor([[6.0, 8.0]])), expected)


def improved(share: float, latent_noise: float = 0.0, samples: int = 0) -> QueryHead:
    """Make a head whose latent of text (2, 0) is (1, 0), and whose imagined part is (0, 1)."""
    texts, imagination = TextScaling(2, 2), Imagination(2, 1, 1, 2)
    texts.axes.copy_(torch.eye(2))
    filled(imagination)
    nn.init.constant_(imagination.prototype.bias[1:], 5.0)
    noise = FixedNoise(samples, 2, 1)
    return QueryHead(texts, imagination, nn.Identity(), noise, latent_noise, share)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.0, (1.0, 0.0)), (1.0, (0.0, 1.0)), (0.5, (0.5**0.5, 0.5**0.5)), (0.2, (4.0, 1.0))],
)
def test_an_improved_query_is_its_latent_and_its_imagined_part(
    share: float, expected: tuple[float, float]
) -> None:
    """(1 - share) · latent + share · CSEM(imagined), both of length 1, then of length 1 again."""
    row = torch.tensor([expected])
    with torch.no_grad():
        found = improved(share)(torch.tensor([[2.0, 0.0], [7.0, 0.0]]))
    torch.testing.assert_close(found, (row / row.norm()).expand(2, 2))


def test_the_settings_reach_the_improved_head() -> None:
    """The share of the imagined part, the latents' noise and the number of draws."""
    config = ImprovedConfig(query_imagined=0.75, latent_noise=0.5, z_dim=3)
    head = Improved(config, SHAPES).heads(noise_samples=2)["text"].module
    assert (head.share, head.latent_noise) == (0.75, 0.5)
    assert (head.noise.eps.shape, head.noise.z.shape) == ((2, 4), (2, 3))


def test_improved_queries_average_over_draws_around_the_latent() -> None:
    """Two draws of a head that imagines the latent itself: the mean of their unit rows."""
    head = improved(1.0, latent_noise=0.5, samples=2)
    filled(head.imagination)
    nn.init.eye_(head.imagination.prototype.weight)
    with torch.no_grad():
        found = head(torch.tensor([[9.0, 0.0]]))
    draws = torch.tensor([1.0, 0.0]) + 0.5 * head.noise.eps
    mean = nn.functional.normalize(draws, dim=1).mean(0, keepdim=True)
    torch.testing.assert_close(found, mean / mean.norm())


@pytest.fixture(scope="module", params=["zscrgan", "zscrgan-reference"])
def trained(
    request: pytest.FixtureRequest, random_split: Callable[..., TensorSplit]
) -> Improved | Method:
    """Train either method for a round."""
    seen = random_split(6)
    if request.param == "zscrgan":
        config = ImprovedConfig(**SMALL, landmarks=8, e_steps=2, imagined=8, latent_noise=0.5)
        method = Improved(config, SHAPES)
    else:
        method = Method(Config(**SMALL, e_steps=2, m_steps=2), SHAPES)
    method.bind(seen, random_split(5))
    method.start()
    method.train_round()
    if isinstance(method, Improved):
        method.share.fill_(0.25)  # whatever folds of noise have chosen
    return method


def test_heads_are_modules_with_their_ports(trained: Improved | Method) -> None:
    """`text` asks, `gallery` is asked; each is fed with one table of the collection."""
    heads = trained.heads()
    assert {
        name: (head.role, [port.name for port in head.ports]) for name, head in heads.items()
    } == {"text": ("query", ["text"]), "gallery": ("gallery", ["image"])}
    assert all(isinstance(head.module, nn.Module) for head in heads.values())


def test_embeddings_are_unit_and_draw_nothing(
    trained: Improved | Method, random_split: Callable[..., TensorSplit]
) -> None:
    """The same rows twice, of length 1, and training's noise is not touched."""
    state, rows = trained.noise.get_state(), random_split(5)
    for samples in (0, 3):
        heads = trained.heads(noise_samples=samples)
        for name, table in (("text", "text"), ("gallery", "image")):
            found = heads[name].module(rows[table].rows + 0.1)
            assert torch.equal(found, heads[name].module(rows[table].rows + 0.1))
            torch.testing.assert_close(found.norm(dim=1), torch.ones(len(found)))
    assert torch.equal(trained.noise.get_state(), state)


def test_draws_are_fixed_and_move_queries(
    trained: Improved | Method, random_split: Callable[..., TensorSplit]
) -> None:
    """Two heads of K draws embed alike, and unlike K + 1 draws or none; K = 0 adds no state."""
    texts = random_split(5)["text"].rows
    found = [trained.heads(noise_samples=k)["text"].module(texts) for k in (0, 1, 1, 2)]
    assert torch.equal(found[1], found[2])
    assert not any(torch.equal(found[k], found[k + 1]) for k in (0, 2))
    noise = trained.heads(noise_samples=300)["text"].module.noise
    assert 1.9 < noise.eps.abs().max() <= 2
    assert noise.z.abs().max() > 2


def test_heads_share_the_models_weights(trained: Improved | Method) -> None:
    """A checkpoint that is loaded after the heads were made is what they embed by."""
    heads, before = trained.heads(), {k: v.clone() for k, v in trained.state_dict().items()}
    texts, images = torch.rand(3, 4), torch.rand(3, 6)
    first = heads["text"].module(texts), heads["gallery"].module(images)
    noise = torch.Generator().manual_seed(1)
    other = {k: v + torch.rand(v.shape, generator=noise) for k, v in before.items()}
    trained.load_state_dict(other)
    moved = heads["text"].module(texts), heads["gallery"].module(images)
    trained.load_state_dict(before)
    assert not any(torch.equal(*pair) for pair in zip(first, moved, strict=True))
    again = heads["text"].module(texts), heads["gallery"].module(images)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
