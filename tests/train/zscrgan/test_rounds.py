"""The turns of a `zscrgan-reference` round, what each moves, and what ablations leave out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from zscr.errors import ConfigError
from zscr.train.methods.zscrgan.reference.em import Round
from zscr.train.methods.zscrgan.reference.method import Config, Method
from zscr.train.methods.zscrgan.reference.optimizers import Optimizers, TFAdam, TFRMSprop
from zscr.train.methods.zscrgan.sampler import ClassSampler
from zscr.train.tables import TensorSplit

SHAPES = {"text": (4,), "image": (6,)}
SMALL = {"gf_dim": 6, "df_dim": 5, "embed_dim": 7, "z_dim": 3, "batch_size": 4}
SMALL |= {"e_steps": 3, "critic_steps": 2, "m_steps": 4}
OWN = {
    "critic": ("critic.",),
    "generator": ("text_encoder.", "generator."),
    "csem": ("csem.",),
}


class Watch:
    """Notes each update of its optimizers: whose it was, what it moved, what it found.

    Attributes:
        turns: name of the optimizer and the parameters that its update moved, in order.
        limits: the critic's largest value in each of its parameters, before each of its updates.
    """

    def __init__(self, method: Method) -> None:
        self.method = method
        self.turns: list[tuple[str, set[str]]] = []
        self.limits: list[list[float]] = []

    def around(self, name: str, update: Callable[[], None]) -> None:
        before = {n: p.detach().clone() for n, p in self.method.named_parameters()}
        if name == "critic":
            self.limits.append([p.abs().max().item() for p in self.method.critic.parameters()])
        update()
        moved = {n for n, p in self.method.named_parameters() if not torch.equal(p, before[n])}
        self.turns.append((name, moved))


class WatchedRMSprop(TFRMSprop):
    """Tells a watch of its updates."""

    def __init__(self, name: str, watch: Watch, *args: object, **options: object) -> None:
        self.name, self.watch = name, watch
        super().__init__(*args, **options)

    def update(self) -> None:
        self.watch.around(self.name, super().update)


class WatchedAdam(TFAdam):
    """Tells a watch of its updates."""

    def __init__(self, watch: Watch, *args: object, **options: object) -> None:
        self.watch = watch
        super().__init__(*args, **options)

    def update(self) -> None:
        self.watch.around("csem", super().update)


def watched(
    seen: TensorSplit, method: Method, critic_lr: float | None = None
) -> tuple[Watch, dict[str, torch.Tensor]]:
    """Make a model's first round with optimizers that are watched; return its losses, too."""
    config, watch, networks = method.config, Watch(method), method.networks
    rate = config.discriminator_lr if critic_lr is None else critic_lr
    imagine = [*networks.text_encoder.parameters(), *networks.generator.parameters()]
    judge, fit = networks.critic.parameters(), networks.csem.parameters()
    optimizers = Optimizers(
        WatchedRMSprop("critic", watch, judge, rate, limit=config.clip_val),
        WatchedRMSprop("generator", watch, imagine, config.generator_lr),
        WatchedAdam(watch, fit, config.csem_lr, (0.5, 0.999)),
    )
    sampler = ClassSampler(seen, config.batch_size, config.wrong_class, zero_pad_tail=True)
    made = Round(config, networks, optimizers, sampler)
    return watch, made.run(made.draws(sampler.start(), method.noise))


def test_a_round_has_the_published_turns(random_split: Callable[..., TensorSplit]) -> None:
    """100 times (5 critic, 1 generator), then 100 CSEM."""
    sizes = {"gf_dim": 2, "df_dim": 2, "embed_dim": 2, "z_dim": 1, "batch_size": 2}
    watch, _ = watched(random_split(6), Method(Config(**sizes), SHAPES))
    turns = [name for name, _ in watch.turns]
    assert turns == (["critic"] * 5 + ["generator"]) * 100 + ["csem"] * 100


@pytest.mark.parametrize("joint", [False, True])
def test_every_turn_moves_its_own_networks_alone(
    random_split: Callable[..., TensorSplit], joint: bool
) -> None:
    """A turn changes its own networks and no other; joint training moves CSEM with the generator.

    The critic's last bias has no gradient: the negatives' halves cancel the positive.
    """
    method = Method(Config(**SMALL, clip_val=1.0, joint=joint), SHAPES)
    watch, losses = watched(random_split(6), method)
    critic, generator = ["critic"] * 2, ["generator", "csem"] if joint else ["generator"]
    tail = [] if joint else ["csem"] * 4
    assert [name for name, _ in watch.turns] == (critic + generator) * 3 + tail
    names = {name for name, _ in method.named_parameters()} - {"critic.score.bias"}
    for turn, moved in watch.turns:
        assert moved == {name for name in names if name.startswith(OWN[turn])}, turn
    assert not any(loss.requires_grad for loss in losses.values())
    assert set(losses) == {"loss/critic", "loss/generator"} | (set() if joint else {"loss/csem"})


def test_critic_is_clipped_after_every_step_and_not_before(
    random_split: Callable[..., TensorSplit],
) -> None:
    """The first critic step runs on unclipped weights; after each, weights and biases fit."""
    method = Method(Config(**SMALL, clip_val=0.001), SHAPES)
    with torch.no_grad():
        method.critic.image.bias.fill_(5.0)
    watch, _ = watched(random_split(6), method)
    assert watch.limits[0][1] == 5
    after = [p.abs().max().item() for p in method.critic.parameters()]
    assert max(max(limits) for limits in (*watch.limits[1:], after)) <= 0.001001
    others = [*method.generator.parameters(), *method.csem.parameters()]
    assert max(p.abs().max().item() for p in others) > 0.01


def test_a_models_own_critic_is_clipped(random_split: Callable[..., TensorSplit]) -> None:
    """By the setting, as its optimizers are made."""
    method, seen = Method(Config(**SMALL, clip_val=0.001), SHAPES), random_split(6)
    method.bind(seen, seen)
    method.start()
    method.train_round()
    assert max(p.abs().max().item() for p in method.critic.parameters()) <= 0.001001


def test_published_optimisers() -> None:
    """RMSProp at 2e-4 for critic and generator; Adam at 2e-3 with beta1 0.5 for CSEM."""
    method = Method(Config(), {"text": (1,), "image": (1,)})
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
    random_split: Callable[..., TensorSplit], settings: dict[str, object], without: str
) -> None:
    """Other images, another CSEM or another critic change nothing where their term is left out."""

    def generator(change: bool, **settings: object) -> list[torch.Tensor]:
        config = Config(**SMALL | {"m_steps": 1, "kl_div_coefficient": 1.0} | settings)
        method, seen = Method(config, SHAPES), random_split(6)
        if change and without == "image":
            images = replace(seen["image"], rows=seen["image"].rows.flip(0))
            seen = replace(seen, tables={**seen.tables, "image": images})
        elif change:
            for parameter in getattr(method, without).parameters():
                parameter.data += 0.005
        # A critic that never moves, so that only the generator's own term could tell of images.
        watched(seen, method, critic_lr=0.0)
        return [*method.generator.parameters(), *method.text_encoder.parameters()]

    def same(**settings: object) -> bool:
        pairs = zip(generator(False, **settings), generator(True, **settings), strict=True)
        return all(torch.equal(ours, theirs) for ours, theirs in pairs)

    assert same(**settings)
    assert not same()


def test_without_a_gan_the_critic_rests(random_split: Callable[..., TensorSplit]) -> None:
    """No update, no loss and no batch is spent on it."""
    method, seen = Method(Config(**SMALL, adversarial=False), SHAPES), random_split(6)
    before = {name: p.clone() for name, p in method.critic.named_parameters()}
    watch, losses = watched(seen, method)
    assert Counter(name for name, _ in watch.turns) == {"generator": 3, "csem": 4}
    assert all(torch.equal(p, before[name]) for name, p in method.critic.named_parameters())
    assert set(losses) == {"loss/generator", "loss/csem"}
    method.bind(seen, seen)
    method.start()
    method.train_round()
    drawn = int(method.sampling["next_image"].sum()) - 6
    assert drawn == 4 + 2 + 4 + 2 + 4 + 2 + 4  # seven batches of six classes; the rest is zeros


def trained(seen: TensorSplit, **settings: object) -> dict[str, torch.Tensor]:
    """Return a model's weights after its first round."""
    method = Method(Config(**SMALL | settings), SHAPES)
    method.bind(seen, seen)
    method.start()
    method.train_round()
    return method.state_dict()


@pytest.mark.parametrize(
    "settings", [{"class_texts": "all"}, {"wrong_class": "random"}, {"zero_pad_tail": False}]
)
def test_settings_of_the_batches_reach_them(
    random_split: Callable[..., TensorSplit], settings: dict[str, object]
) -> None:
    """A round of the same seed and data ends elsewhere."""
    seen = random_split(6)
    ours, theirs = trained(seen), trained(seen, **settings)
    assert not torch.equal(ours["generator.fc1.weight"], theirs["generator.fc1.weight"])


@pytest.mark.parametrize(("class_texts", "same"), [("first", True), ("all", False)])
def test_only_first_texts_are_trained_on_unless_all_are(
    random_split: Callable[..., TensorSplit], class_texts: str, same: bool
) -> None:
    """Other second texts of the classes change nothing, or do."""
    seen = random_split(6)
    texts = replace(seen["text"], rows=seen["text"].rows.clone())
    texts.rows[1::2] += 1
    other = replace(seen, tables={**seen.tables, "text": texts})
    found = [trained(split, class_texts=class_texts) for split in (seen, other)]
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0]) == same


def test_a_class_beside_itself_is_refused_without_the_bug(
    random_split: Callable[..., TensorSplit],
) -> None:
    """Eight rows of six classes are the released bug C, which can be turned off."""
    method = Method(Config(**SMALL | {"batch_size": 8, "allow_same_class_wrong": False}), SHAPES)
    with pytest.raises(ConfigError, match="batch_size=8 is more than the 6 seen classes"):
        method.bind(random_split(6), random_split(6))


def test_binding_and_beginning_draw_no_noise(random_split: Callable[..., TensorSplit]) -> None:
    """Binding again, as a resumed run does, changes neither weights nor batches nor noise."""
    method, seen = Method(Config(**SMALL), SHAPES), random_split(6)
    fresh = method.noise.get_state()
    method.bind(seen, seen)
    method.start()
    assert torch.equal(method.noise.get_state(), fresh)
    other = Method(Config(**SMALL), SHAPES)
    other.bind(seen, seen)
    other.start()
    for made in (method, other):
        made.train_round()
    other.bind(seen, seen)
    for made in (method, other):
        made.train_round()
    ours, theirs = method.state_dict(), other.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
