"""No step of a round asks the device for a value, for the host would wait for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from zscr.train.methods.registry import load_method
from zscr.train.tables import TensorSplit

SMALL = {"gf_dim": 8, "df_dim": 8, "embed_dim": 6, "z_dim": 2, "batch_size": 4, "e_steps": 3}
OWN = {"zscrgan-reference": {"m_steps": 3}, "zscrgan": {"landmarks": 16, "imagined": 32}}


class Values(TorchDispatchMode):
    """Refuses to turn a tensor into a number, which is where CUDA would wait."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        assert function is not torch.ops.aten._local_scalar_dense.default
        return function(*args, **(kwargs or {}))


@contextmanager
def cuda_errors() -> Iterator[None]:
    """Let CUDA itself raise an error at the first synchronisation."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Synchronization debug mode is a prototype")
            torch.cuda.set_sync_debug_mode("error")
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(
    ("name", "classes"), [("zscrgan-reference", 9), ("zscrgan-reference", 3), ("zscrgan", 9)]
)
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_round_never_waits_for_the_device(
    random_split: Callable[..., TensorSplit], name: str, classes: int, device: str
) -> None:
    """In batches of four, of nine classes some lie across the end of a pass; three are repeated."""
    found = load_method(name)
    rows = random_split(classes, images=4, image_dim=5, text_dim=7, device=device)
    method = found.Method(found.Config(**SMALL, **OWN[name]), {"text": (7,), "image": (5,)}, device)
    method.bind(rows, rows)
    method.start()
    method.train_round()  # allocates, and records its graphs, for which CUDA waits
    with Values() if device == "cpu" else cuda_errors():
        method.train_round()
