"""ZSCRGAN's turns, updates, ablations and embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch

from zscr.train.methods import Rows
from zscr.train.methods.zscrgan.noise import draw_eps, latent
from zscr.train.methods.zscrgan.reference.method import Config, Method

SMALL = {"gf_dim": 6, "df_dim": 5, "embed_dim": 7, "z_dim": 3, "batch_size": 4}
SMALL |= {"e_steps": 3, "critic_steps": 2, "m_steps": 4}
OWN = {
    "critic": ("critic.",),
    "generator": ("text_encoder.", "generator."),
    "csem": ("csem.",),
}


def rows(classes: int = 6) -> Rows:
    """Make classes of 3 images and 2 texts."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(3 * classes, 6, generator=generator).relu()
    texts = torch.randn(2 * classes, 4, generator=generator)
    starts = torch.arange(classes + 1)
    return Rows(images, texts, 3 * starts, 2 * starts)


def build(**settings: object) -> Method:
    method = Method(Config(**SMALL | settings), text_dim=4, image_dim=6)
    method.start(rows(), rows())
    return method


@contextmanager
def turns(method: Method) -> Iterator[list[tuple[str, set[str]]]]:
    """List the optimizers that step, in order, each with the parameters that its step moved."""
    made: list[tuple[str, set[str]]] = []
    before: dict[str, torch.Tensor] = {}

    def note_before(*_: object) -> None:
        before.update({name: p.detach().clone() for name, p in method.named_parameters()})

    def note_after(name: str) -> None:
        moved = {n for n, p in method.named_parameters() if not torch.equal(p, before[n])}
        made.append((name, moved))

    def noted(name: str, update: Callable[[], None]) -> Callable[[], None]:
        def call() -> None:
            note_before()
            update()
            note_after(name)

        return call

    for name, optimizer in method.optimizers.items():
        optimizer.update = noted(name, optimizer.update)
    yield made


def test_a_round_has_the_published_turns() -> None:
    """100 times (5 critic, 1 generator), then 100 CSEM."""
    sizes = {"gf_dim": 2, "df_dim": 2, "embed_dim": 2, "z_dim": 1, "batch_size": 2}
    method = Method(Config(**sizes), text_dim=4, image_dim=6)
    method.start(rows(), rows())
    with turns(method) as made:
        method.train_round(rows())
    assert [name for name, _ in made] == (["critic"] * 5 + ["generator"]) * 100 + ["csem"] * 100


@pytest.mark.parametrize("joint", [False, True])
def test_every_turn_moves_its_own_networks_alone(joint: bool) -> None:
    """A turn changes its own networks and no other; joint training moves CSEM with the generator.

    The critic's last bias has no gradient: the negatives' halves cancel the positive.
    """
    method = build(clip_val=1.0, joint=joint)
    with turns(method) as made:
        losses = method.train_round(rows())
    critic, generator = ["critic"] * 2, ["generator", "csem"] if joint else ["generator"]
    tail = [] if joint else ["csem"] * 4
    assert [name for name, _ in made] == (critic + generator) * 3 + tail
    names = {name for name, _ in method.named_parameters()} - {"critic.score.bias"}
    for turn, moved in made:
        assert moved == {name for name in names if name.startswith(OWN[turn])}, turn
    assert not any(loss.requires_grad for loss in losses.values())
    assert set(losses) == {"loss/critic", "loss/generator"} | (set() if joint else {"loss/csem"})


def test_critic_is_clipped_after_every_step_and_not_before() -> None:
    """The first critic step runs on unclipped weights; after each, weights and biases fit."""
    method = build(clip_val=0.001)
    with torch.no_grad():
        method.critic.image.bias.fill_(5.0)
    seen: list[list[float]] = []

    update = method.optimizers["critic"].update

    def noted() -> None:
        seen.append([p.abs().max().item() for p in method.critic.parameters()])
        update()

    method.optimizers["critic"].update = noted
    method.train_round(rows())
    assert seen[0][1] == 5
    assert max(max(limits) for limits in seen[1:]) <= 0.001001
    others = [*method.generator.parameters(), *method.csem.parameters()]
    assert max(p.abs().max().item() for p in others) > 0.01


def test_published_optimisers() -> None:
    """RMSProp at 2e-4 for critic and generator; Adam at 2e-3 with beta1 0.5 for CSEM."""
    method = Method(Config(), text_dim=1, image_dim=1)
    groups = {name: o.param_groups[0] for name, o in method.optimizers.items()}
    assert {name: type(o).__name__ for name, o in method.optimizers.items()} == {
        "critic": "TFRMSprop",
        "generator": "TFRMSprop",
        "csem": "TFAdam",
    }
    assert [groups[name]["lr"] for name in ("critic", "generator", "csem")] == [2e-4, 2e-4, 2e-3]
    assert (groups["csem"]["betas"], groups["csem"]["eps"]) == ((0.5, 0.999), 1e-8)
    assert {(groups[n]["decay"], groups[n]["eps"]) for n in ("critic", "generator")} == {
        (0.9, 1e-10)
    }


@pytest.mark.parametrize(
    ("settings", "without"),
    [
        ({"mm_reg_coeff": 0.0}, "image"),
        ({"triplet": False}, "csem"),
        ({"adversarial": False}, "critic"),
    ],
)
def test_an_ablated_term_moves_the_generator_no_more(
    settings: dict[str, object], without: str
) -> None:
    """Other images, another CSEM or another critic change nothing where their term is left out."""

    def generator(change: bool, **settings: object) -> list[torch.Tensor]:
        method, seen = build(m_steps=1, kl_div_coefficient=1.0, **settings), rows()
        # A critic that never moves, so that only the generator's own term could tell of images.
        method.optimizers["critic"].param_groups[0]["lr"] = 0.0
        if change and without == "image":
            seen = Rows(seen.images.flip(0), seen.texts, seen.image_starts, seen.text_starts)
        elif change:
            for parameter in getattr(method, without).parameters():
                parameter.data += 0.005
        method.train_round(seen)
        return [*method.generator.parameters(), *method.text_encoder.parameters()]

    def same(**settings: object) -> bool:
        pairs = zip(generator(False, **settings), generator(True, **settings), strict=True)
        return all(torch.equal(ours, theirs) for ours, theirs in pairs)

    assert same(**settings)
    assert not same()


def test_without_a_gan_the_critic_rests() -> None:
    """No update, no loss and no batch is spent on it."""
    method = build(adversarial=False)
    before = {name: p.clone() for name, p in method.critic.named_parameters()}
    with turns(method) as made:
        losses = method.train_round(rows())
    assert Counter(name for name, _ in made) == {"generator": 3, "csem": 4}
    assert all(torch.equal(p, before[name]) for name, p in method.critic.named_parameters())
    assert set(losses) == {"loss/generator", "loss/csem"}
    drawn = int(method.sampling["next_image"].sum()) - 6
    assert drawn == 4 + 2 + 4 + 2 + 4 + 2 + 4  # seven batches of six classes; the rest is zeros


def test_without_a_wrong_class_no_loss_asks_for_one() -> None:
    """With one class a batch there is no other, and yet the figures are those of the right pair."""
    method = build(wrong_class="none", kl_div_coefficient=0.0, mm_reg_coeff=1.0, triplet=False)
    for network in (method.critic, method.generator):
        for parameter in network.parameters():
            torch.nn.init.zeros_(parameter)  # imagines zeros, judges zero
    method.optimizers["generator"].param_groups[0]["lr"] = 0.0
    seen = rows()
    seen.images.fill_(1.0)
    method.sampling["order"].copy_(torch.tensor([0, 1, 2, 3, 4, 5, 0, 1]))
    losses = method.train_round(seen)
    assert losses["loss/critic"].item() == pytest.approx(0, abs=1e-3)
    assert 2 <= losses["loss/generator"].item() <= 6 + 2  # |0 - 1| over 6 dims, and the constant


def test_eps_is_a_normal_truncated_at_two() -> None:
    """No |eps| is over 2, and the spread is the truncated normal's 0.879, not a clipped one's."""
    draws = draw_eps((1000, 200), torch.Generator().manual_seed(1))
    assert draws.abs().max().item() <= 2
    assert draws.std().item() == pytest.approx(0.8796, abs=0.003)  # clipping would give 0.959
    assert (draws.abs() == 2).sum() == 0
    assert abs(draws.mean().item()) < 0.01


def test_latents_are_mu_plus_sigma_eps() -> None:
    """c = mu + exp(log_sigma) · eps, by hand."""
    mu, sigma, eps = torch.tensor([3.0, 3.0]), torch.tensor([1.0, 2.0]), torch.tensor([0.5, -1.0])
    torch.testing.assert_close(latent(mu, sigma.log(), eps), torch.tensor([3.5, 1.0]))


def texts() -> torch.Tensor:
    return rows().texts[:5]


def test_queries_are_deterministic_and_unit() -> None:
    """A query embedding is that of mu and z = 0, of norm 1, and draws nothing."""
    method, text = build(), texts()
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
    method, image = build(), rows().images + 0.1
    mapped = method.csem(image)
    found = method.encode_gallery(image)
    torch.testing.assert_close(found, mapped / mapped.norm(dim=1, keepdim=True))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(len(image)))


@pytest.mark.parametrize("samples", [1, 4])
def test_averaged_noise_is_the_mean_of_fixed_draws(samples: int) -> None:
    """K draws: the normalised mean of K unit embeddings, the same draws for every text and call."""
    method, text = build(), texts()
    silent = method.encode_query(text)
    method.average_noise(samples)
    eps, z = method.query_noise.eps, method.query_noise.z
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
