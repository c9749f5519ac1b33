"""The fast round equals the plain one: same draws, same weights."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.train.methods import Rows
from zscr.train.methods.zscrgan.em import M_CHUNK
from zscr.train.methods.zscrgan.noise import draw_eps, draw_z
from zscr.train.methods.zscrgan.reference import Config, Method
from zscr.train.sampler import ClassSampler, Draws, first_texts

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from zscrgan_plain import Batch, Plain  # noqa: E402


def make_rows(classes: int, images: int, texts: int, dims: tuple[int, int]) -> Rows:
    noise = torch.Generator().manual_seed(classes)
    starts = torch.arange(classes + 1)
    return Rows(
        torch.randn(classes * images, dims[0], generator=noise).relu(),
        torch.randn(classes * texts, dims[1], generator=noise),
        starts * images,
        starts * texts,
    )


def batches(method: Method, rows: Rows) -> Iterator[Batch]:
    """Draw what the method's next round draws, from copies of its state, batch by batch."""
    config, sampling = method.config, copy.deepcopy(method.sampling)
    noise = torch.Generator()
    noise.set_state(method.noise.get_state())
    seen = first_texts(rows) if config.class_texts == "first" else rows
    bugs = (config.zero_pad_tail, config.allow_same_class_wrong)
    sampler = ClassSampler(seen, config.batch_size, config.wrong_class, *bugs)
    k = config.critic_steps if config.adversarial else 0
    m_steps = 0 if config.joint else config.m_steps
    sides = 1 if config.wrong_class == "none" else 2
    draws = sampler.draw(config.e_steps * (k + 1) + m_steps, sampling, noise)

    def both(*count: int) -> tuple[torch.Tensor, torch.Tensor]:
        eps = draw_eps((*count, config.batch_size, config.embed_dim), noise)
        return eps, draw_z((*count, config.batch_size, config.z_dim), noise)

    for iteration in range(config.e_steps):
        eps, z = both(1, k + sides)
        first = iteration * (k + 1)
        for step in range(k):
            yield batch(draws[first + step], seen, eps[0, step, None], z[0, step, None])
        yield batch(draws[first + k], seen, eps[0, k:], z[0, k:])
    for start in range(0, m_steps, M_CHUNK):
        count = min(M_CHUNK, m_steps - start)
        eps, z = both(sides, count)
        for step in range(count):
            number = config.e_steps * (k + 1) + start + step
            yield batch(draws[number], seen, eps[:, step], z[:, step])


def batch(draws: Draws, rows: Rows, eps: torch.Tensor, z: torch.Tensor) -> Batch:
    def gathered(table: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return table[index.clamp_min(0)] * (index >= 0)[:, None]

    return Batch(
        gathered(rows.texts, draws.texts),
        gathered(rows.images, draws.images),
        gathered(rows.texts, draws.wrong_texts),
        gathered(rows.images, draws.wrong_images),
        list(eps),
        list(z),
    )


SWITCHES = {
    "class_texts": st.sampled_from(["first", "all"]),
    "wrong_class": st.sampled_from(["previous", "random", "nearest", "none"]),
    "zero_pad_tail": st.booleans(),
    "adversarial": st.booleans(),
    "mm_reg_coeff": st.sampled_from([0.0, 2.0]),
    "ablation": st.sampled_from([{}, {"triplet": False}, {"joint": True}]),
}
SIZES = {
    **{name: st.integers(2, 9) for name in ("batch_size", "classes", "df_dim", "embed_dim")},
    **{name: st.integers(1, 4) for name in ("e_steps", "critic_steps", "gf_dim", "z_dim")},
    "m_steps": st.sampled_from([1, 3, M_CHUNK + 2]),
}


@contextmanager
def double() -> Iterator[None]:
    """Compute in float64: where a gradient is 0 but for rounding, Adam makes a step of rounding."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


def assert_rounds_agree(config: Config, rows: Rows, rounds: int) -> None:
    """Make rounds by the fast and by the plain implementation; compare all weights to 1e-5."""
    method = Method(config, text_dim=rows.texts.shape[1], image_dim=rows.images.shape[1])
    noise = torch.Generator().manual_seed(5)
    for name, parameter in method.named_parameters():
        if name.endswith("bias"):  # at zero, rounding decides the side of the kink of empty rows
            torch.nn.init.normal_(parameter, std=0.05, generator=noise)
    torch.nn.init.constant_(method.generator.fc3.bias, 0.05)  # or some would imagine zeros only
    method.start(rows)
    plain, before = Plain(config, method.state_dict()), copy.deepcopy(method.state_dict())
    for _ in range(rounds):
        plain.round(batches(method, rows))
        method.train_round(rows)
    ours, theirs = method.state_dict(), plain.weights()
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        difference = (tensor - theirs[name]).abs().max().item()
        assert difference < 1e-5, f"{name} differs by {difference:.1e}"
    moved = "text_encoder.fc.weight"  # by every ablation, since J is always there
    assert not torch.equal(ours[moved], before[moved])


@settings(max_examples=80)
@given(**SIZES, **SWITCHES, dims=st.tuples(st.integers(1, 6), st.integers(1, 6)))
def test_the_fast_round_equals_the_plain_one(
    classes: int, dims: tuple[int, int], ablation: dict[str, bool], **values: object
) -> None:
    """Two rounds of any size, ablation and bug."""
    with double():
        assert_rounds_agree(Config(**values, **ablation), make_rows(classes, 3, 2, dims), rounds=2)


@pytest.mark.parametrize("wrong_class", ["previous", "random"])
def test_the_fast_round_equals_the_plain_one_in_float32(wrong_class: str) -> None:
    """At a tenth of the published widths, as trainings compute it."""
    widths = {"gf_dim": 200, "df_dim": 100, "embed_dim": 100, "z_dim": 25}
    steps = {"e_steps": 2, "m_steps": 25, "wrong_class": wrong_class}
    assert_rounds_agree(Config(**widths, **steps), make_rows(40, 3, 2, (200, 100)), rounds=1)
