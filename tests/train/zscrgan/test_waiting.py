"""No step of a round asks the device for a value, for the host would wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from zscr.train.methods import METHODS, Rows, load_method

SMALL = {"gf_dim": 8, "df_dim": 8, "embed_dim": 6, "z_dim": 2, "batch_size": 4, "e_steps": 3}
OWN = {"reference": {"m_steps": 3}, "improved": {"landmarks": 16, "imagined": 32}}


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
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("mode", METHODS["zscrgan"])
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_a_round_never_waits_for_the_device(mode: str, device: str) -> None:
    """Nine classes in batches of four: some batches lie across the end of a pass."""
    found = load_method("zscrgan", mode)
    config = found.Config(**SMALL, **OWN[mode])
    noise, starts = torch.Generator().manual_seed(3), torch.arange(10)
    tables = torch.rand(36, 5, generator=noise), torch.randn(18, 7, generator=noise)
    rows = Rows(*(table.to(device) for table in (*tables, starts * 4, starts * 2)))
    method = found.Method(config, text_dim=7, image_dim=5, device=device)
    method.start(rows, rows)
    method.train_round(rows)  # allocates, and records its graphs, for which CUDA waits
    with Values() if device == "cpu" else cuda_errors():
        method.train_round(rows)
