"""An update of a mapper: the same on CUDA as on the CPU, and by the end of its sentence alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.checkpoints import SAVE
from zscr.infer.features.table import Split, Table, starts_of
from zscr.train.language.prefix import AfterPrefix
from zscr.train.methods.pic2word.method import Config, Method
from zscr.train.precision import computing_in
from zscr.train.tables import TensorSplit, to_device

IMAGES, DIM = 40, 24


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(7)
    return SAVE["clip"](tmp_path_factory.mktemp("published") / "clip")


def seen_on(device: str) -> TensorSplit:
    rows = np.random.default_rng(7).standard_normal((IMAGES, DIM)).astype(np.float32)
    table = Table(tuple(map(str, range(IMAGES))), rows, starts_of([IMAGES]))
    return to_device(Split(("all",), {"image": table}), device)


def trained(base: Path, device: str, **settings: object) -> tuple[Method, list[float]]:
    """Train for three updates of all images, so that a device's random order has no say."""
    config = Config(base=str(base), dropout=0.0, batch_size=IMAGES, rounds=3, lr=1e-2, **settings)
    method = Method(config, {"image": (DIM,)}, device)
    seen = seen_on(device)
    method.bind(seen, None)
    method.start()
    with computing_in(config.precision, method.device):
        return method, [float(method.train_round()["loss/nce"]) for _ in range(3)]


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16"])
def test_updates_on_cuda_are_those_on_the_cpu(base: Path, precision: str) -> None:
    """Losses of three updates; those of lower precision within its rounding."""
    _, expected = trained(base, "cpu")
    _, found = trained(base, "cuda", precision=precision)
    close = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 1e-1}[precision]
    assert np.allclose(found, expected, rtol=close)


def test_images_are_trained_on_by_what_stands_behind_the_prefix(base: Path) -> None:
    """The same losses as by composing whole sentences, and CLIP's tower keeps the beginning."""
    method, found = trained(base, "cpu")
    assert all(name.startswith("mapped.") for name in method.state_dict())  # none of the tower's
    assert isinstance(method._sentence[0], AfterPrefix)
    assert found[-1] < found[0]
    fresh = Method(method.config, {"image": (DIM,)})
    fresh.bind(seen_on("cpu"), None)
    fresh.start()
    fresh._objective = fresh._made_objective()
    tower, prompt = fresh.base.language.tower, fresh._objective.prompts[0]
    fresh._sentence = (lambda words: tower.compose(prompt.expand(len(words), -1), words),)
    again = [float(fresh.train_round()["loss/nce"]) for _ in range(3)]
    assert np.allclose(again, found, rtol=1e-5)
