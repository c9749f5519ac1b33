"""`zscrgan` as a whole: what its start fits, what its turns move, what its settings reach."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from zscr.errors import ConfigError
from zscr.infer.evaluation.controls.kernel import PENALTIES
from zscr.infer.evaluation.controls.preprocessing import SHRINKS
from zscr.train.methods.zscrgan.improved.method import Config, Method
from zscr.train.tables import TensorSplit

SHAPES = {"text": (7,), "image": (5,)}
SMALL = {"gf_dim": 8, "df_dim": 8, "z_dim": 2, "landmarks": 16, "batch_size": 4, "e_steps": 3}
SMALL |= {"imagined": 64}

Views = Callable[..., TensorSplit]


def started(views: Views, **settings: object) -> Method:
    method = Method(Config(**SMALL | settings), SHAPES)
    method.bind(views(), views(4, seed=1))
    method.start()
    return method


def snapshot(method: Method) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in method.state_dict().items()}


def test_turns_and_what_they_move(views: Views) -> None:
    """3 times (2 critic updates, 1 generator update); then CSEM alone is another one.

    Averages follow the generator; scalings and landmarks stay as the start fitted them.
    """
    method = started(views, critic_steps=2)
    turns, before = [], snapshot(method)

    def moved() -> set[str]:
        return {n.split(".")[0] for n, p in method.state_dict().items() if not p.equal(before[n])}

    def noted(name: str) -> Callable[..., None]:
        def note(*_: object) -> None:
            turns.append((name, moved()))
            before.update(snapshot(method))

        return note

    for name, optimizer in method.optimizers.items():
        optimizer.register_step_post_hook(noted(name))
    losses = method.train_round()
    # The averages that follow a generator update are seen after the next critic update.
    critics = [("critic", {"critic"}), ("critic", {"critic"}), ("generator", {"imagination"})]
    later = [("critic", {"critic", "averaged"}), *critics[1:]]
    assert turns == critics + later + later
    assert moved() == {"averaged", "csem"}
    assert {n for n, p in method.state_dict().items() if not p.equal(before[n])} >= {"csem.weights"}
    assert torch.equal(method.csem.landmarks, before["csem.landmarks"])
    assert set(losses) == {"loss/critic", "loss/generator", "loss/csem"}
    assert not any(loss.requires_grad for loss in losses.values())


def test_the_generator_starts_at_its_prototypes(views: Views) -> None:
    """Least squares from latents to class mean images, with the penalty 1 as rows of their own."""
    method, seen = started(views), views()
    with torch.no_grad():
        latents = method.text_scaling(seen["text"].rows).numpy()
        images = method.image_scaling(seen["image"].rows).numpy()
    means = images.reshape(6, 4, 5).mean(1).repeat(2, 0)
    rows = np.vstack([latents, np.eye(7)])
    solved = np.linalg.lstsq(rows, np.vstack([means, np.zeros((7, 5))]), rcond=None)[0]
    for imagination in (method.imagination, method.averaged):
        found = imagination.prototype.weight.detach().numpy()
        np.testing.assert_allclose(found, solved.T, atol=1e-4)
        assert np.abs(solved).max() > 0.1


def test_csem_starts_on_real_images(views: Views) -> None:
    """Before round 1 it maps each seen image nearest to its own class's latent."""
    method, seen = started(views, csem_penalty=1e-4), views()
    with torch.no_grad():
        heads = method.heads()
        gallery = heads["gallery"].module(seen["image"].rows)
        latents = method.text_scaling(seen["text"].rows).view(6, 2, 7).mean(1)
    assert (gallery @ latents.T).argmax(1).tolist() == torch.arange(6).repeat_interleave(4).tolist()


def test_the_penalty_is_an_images(views: Views) -> None:
    """Of 24 images together it is 24 times the setting."""
    assert started(views, csem_penalty=0.5).penalty.item() == pytest.approx(0.5 * 24)


@pytest.mark.parametrize("shrink", [1e-6, 1e6])
def test_the_texts_are_shrunk_as_set(views: Views, shrink: float) -> None:
    """Without shrinkage the class means spread alike along all axes; with much they do not."""
    method, seen = started(views, text_shrink=shrink), views()
    means = seen["text"].rows.view(6, 2, 7).mean(1)
    spread = torch.linalg.svdvals((means - means.mean(0)) @ method.text_scaling.axes)[:5]
    even = float(spread[4] / spread[0])
    assert even == pytest.approx(1, abs=1e-2) if shrink < 1 else even < 0.2


def test_what_is_not_set_is_chosen(views: Views, capsys: pytest.CaptureFixture[str]) -> None:
    """Among the lists, and what is set is taken; the start says which."""
    method, said = started(views), capsys.readouterr().err
    assert any(method.penalty.item() == pytest.approx(24 * penalty) for penalty in PENALTIES)
    assert any(f"text_shrink={shrink:g}," in said for shrink in SHRINKS)
    asked = method.chosen["text_shrink"], method.chosen["csem_penalty"]
    assert f"text_shrink={asked[0]:g}, csem_penalty={asked[1]:g} (mAP" in said
    half = started(views, text_shrink=0.7)
    assert half.chosen["text_shrink"] == 0.7
    assert "text_shrink=0.7, csem_penalty=" in capsys.readouterr().err
    whole = started(views, text_shrink=0.7, csem_penalty=0.03, query_imagined=0.0)
    assert whole.chosen == {"text_shrink": 0.7, "csem_penalty": 0.03, "query_imagined": 0.0}
    assert capsys.readouterr().err == ""


def axes(
    split_of: Views,
    classes: int,
    seed: int,
    spread: tuple[float, ...] = (1.0, 1.0, 1.0),
    loud: float = 0.0,
) -> TensorSplit:
    """Make classes of three coordinates, the third of which is a tenth as long in texts.

    Args:
        split_of: the fixture.
        classes: how many; seed: of the draws.
        spread: of the classes along each coordinate.
        loud: spread of what the third coordinate of their texts has more than that of their images.
    """
    noise = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, 3, generator=noise) * torch.tensor(spread)
    alone = torch.randn(classes, 3, generator=noise) * torch.tensor([0.0, 0.0, loud])

    def seen(rows: torch.Tensor, dim: int, scatter: float) -> torch.Tensor:
        turn = torch.linalg.qr(torch.randn(dim, 3, generator=torch.Generator().manual_seed(9)))[0]
        turned = rows @ turn.T
        return turned + scatter * torch.randn(turned.shape, generator=noise)

    images = seen(centres.repeat_interleave(4, 0), 5, 0.05)
    texts = (centres + alone) * torch.tensor([1.0, 0.8, 0.1])
    texts = seen(texts.repeat_interleave(2, 0), 7, 0.005)
    return split_of(images, texts, [4] * classes, [2] * classes)


@pytest.mark.parametrize(
    ("told", "chosen"),
    [({"spread": (0.0, 1.0, 1.0)}, 0.1), ({"spread": (1.0, 1.0, 0.0), "loud": 8.0}, 10.0)],
    ids=["the weak axis tells", "the weak axis misleads"],
)
def test_it_is_the_validation_classes_that_choose(
    split_of: Views, capsys: pytest.CaptureFixture[str], told: dict[str, Any], chosen: float
) -> None:
    """With the same seen classes, weak axes are evened out where they help, and else left weak.

    The texts are then scaled as if that shrinkage had been set.
    """
    fixed = {"csem_penalty": 5e-3, "query_imagined": 0.0}
    methods = []
    for settings in ({}, {"text_shrink": chosen}):
        method = Method(Config(**SMALL | fixed | settings), SHAPES)
        method.bind(axes(split_of, 30, 0), axes(split_of, 20, 1, **told))
        method.start()
        methods.append(method)
    assert methods[0].chosen == {"text_shrink": chosen, **fixed}
    [said] = capsys.readouterr().err.splitlines()  # where both are set there is nothing to say
    assert f"text_shrink={chosen:g}," in said
    first, second = (method.state_dict() for method in methods)
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("name", "values"), [("imagined_share", (0.0, 0.9)), ("mixing", (0.0, 0.9))]
)
def test_a_rounds_m_step_imagines(views: Views, name: str, values: tuple[float, float]) -> None:
    """CSEM differs after a round where imagined images weigh more, or lie elsewhere."""
    found = []
    for value in values:
        method = started(views, **{name: value})
        method.train_round()
        found.append(method.csem.weights)
    assert (found[0] - found[1]).abs().max() > 1e-3 * found[0].abs().max()


def test_a_resumed_run_goes_on_as_the_first(views: Views) -> None:
    """Weights, optimizers, noise and sampling are all: bound anew, the next round is the same."""
    first, second = started(views), Method(Config(**SMALL), SHAPES)
    first.train_round()
    second.bind(views(), views(4, seed=1))
    fresh = second.noise.get_state()
    second.load_state_dict(first.state_dict())
    for name, optimizer in first.optimizers.items():
        second.optimizers[name].load_state_dict(copy.deepcopy(optimizer.state_dict()))
    second.sampling = {name: value.clone() for name, value in first.sampling.items()}
    assert torch.equal(second.noise.get_state(), fresh)
    second.noise.set_state(first.noise.get_state())
    for method in (first, second):
        method.train_round()
    ours, theirs = first.state_dict(), second.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_fewer_classes_than_the_batch_are_refused(views: Views) -> None:
    """Every row of a batch is a negative of all others, so no class may stand in it twice."""
    method = Method(Config(**SMALL | {"batch_size": 8}), SHAPES)
    with pytest.raises(ConfigError, match="batch_size=8 is more than the 6 seen classes"):
        method.bind(views(), views(4, seed=1))
