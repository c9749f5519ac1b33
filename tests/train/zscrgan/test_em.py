"""The fast round equals the plain one: same draws, same weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from zscr.train.cuda_graph import WARM_UP
from zscr.train.methods import Rows
from zscr.train.methods.zscrgan.noise import draw_eps, draw_z
from zscr.train.methods.zscrgan.reference import blocks
from zscr.train.methods.zscrgan.reference.em import M_CHUNK
from zscr.train.methods.zscrgan.reference.method import Config, Method
from zscr.train.methods.zscrgan.reference.plain import Batch, Plain
from zscr.train.methods.zscrgan.sampler import ClassSampler, Draws, first_texts
from zscr.train.precision import computing_in

GPU = pytest.mark.gpu


def make_rows(
    classes: int, images: int, texts: int, dims: tuple[int, int], device: str = "cpu"
) -> Rows:
    noise = torch.Generator().manual_seed(classes)
    starts = torch.arange(classes + 1)
    tables = (
        torch.randn(classes * images, dims[0], generator=noise).relu(),
        torch.randn(classes * texts, dims[1], generator=noise),
        starts * images,
        starts * texts,
    )
    return Rows(*(table.to(device) for table in tables))


def batches(method: Method, rows: Rows) -> Iterator[Batch]:
    """Draw what the method's next round draws, from copies of its state, batch by batch."""
    config, sampling = method.config, copy.deepcopy(method.sampling)
    noise = torch.Generator(method.noise.device)
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

    on_cpu = noise.device.type == "cpu"
    e_chunk, m_chunk = (1, M_CHUNK) if on_cpu else (config.e_steps, m_steps or 1)
    for start in range(0, config.e_steps, e_chunk):
        eps, z = both(e_chunk, k + sides)
        for i in range(e_chunk):
            first = (start + i) * (k + 1)
            for step in range(k):
                yield batch(draws[first + step], seen, eps[i, step, None], z[i, step, None])
            yield batch(draws[first + k], seen, eps[i, k:], z[i, k:])
    for start in range(0, m_steps, m_chunk):
        count = min(m_chunk, m_steps - start)
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
    dims = {"text_dim": rows.texts.shape[1], "image_dim": rows.images.shape[1]}
    method = Method(config, **dims, device=rows.images.device)
    noise = torch.Generator().manual_seed(5)
    for name, parameter in method.named_parameters():
        if name.endswith("bias"):  # at zero, rounding decides the side of the kink of empty rows
            parameter.data.copy_(0.05 * torch.randn(parameter.shape, generator=noise))
    torch.nn.init.constant_(method.generator.fc3.bias, 0.05)  # or some would imagine zeros only
    method.start(rows, rows)
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
@given(
    **SIZES,
    **SWITCHES,
    dims=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    block=st.sampled_from([2, blocks.BLOCK]),
)
def test_the_fast_round_equals_the_plain_one(
    classes: int, dims: tuple[int, int], ablation: dict[str, bool], block: int, **values: object
) -> None:
    """Two rounds of any size, ablation and bug, updated together or some rows at a time."""
    with double(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks, "BLOCK", block)
        assert_rounds_agree(Config(**values, **ablation), make_rows(classes, 3, 2, dims), rounds=2)


DEVICES = ["cpu", pytest.param("cuda", marks=GPU)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("wrong_class", ["previous", "random"])
def test_the_fast_round_equals_the_plain_one_in_float32(wrong_class: str, device: str) -> None:
    """At a tenth of the published widths, as trainings compute it; on a GPU by its graphs."""
    widths = {"gf_dim": 200, "df_dim": 100, "embed_dim": 100, "z_dim": 25}
    steps = {"e_steps": 2 if device == "cpu" else WARM_UP + 2, "m_steps": 25}
    config = Config(**widths, **steps, wrong_class=wrong_class)
    assert_rounds_agree(config, make_rows(40, 3, 2, (200, 100), device), rounds=1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("precision", "tolerance"), [("tf32", 0.01), ("bf16", 0.1)])
def test_lower_precisions_stay_near_float32(precision: str, tolerance: float, device: str) -> None:
    """From the same draws, a round moves the generator's weights nearly, not exactly, the same."""
    widths = {"gf_dim": 200, "df_dim": 100, "embed_dim": 100, "z_dim": 25}
    config = Config(**widths, e_steps=5, m_steps=5)
    rows = make_rows(40, 3, 2, (200, 100), device)

    def moved(precision: str) -> torch.Tensor:
        method = Method(config, text_dim=100, image_dim=200, device=device)
        method.start(rows, rows)
        before = method.generator.fc2.weight.detach().clone()
        with computing_in(precision, torch.device(device)):
            method.train_round(rows)
        return method.generator.fc2.weight.detach() - before

    exact, rough = moved("fp32"), moved(precision)
    error = ((exact - rough).norm() / exact.norm()).item()
    assert error < tolerance
    assert error > 0 or (precision, device) == ("tf32", "cpu")  # which a CPU has not
