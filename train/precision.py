"""How matrices are multiplied in training; what a device cannot do is refused, never replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from zscr.errors import ConfigError

PRECISIONS = ("fp32", "tf32", "bf16")


def check_precision(precision: str, device: torch.device) -> None:
    """Refuse a precision that the device does not compute in.

    Raises:
        ConfigError: tf32 without CUDA.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ConfigError(
            f"precision={precision} needs a CUDA device and this training is on {device.type}; "
            f"set precision=fp32 or bf16"
        )


@contextmanager
def computing_in(precision: str, device: torch.device) -> Iterator[None]:
    """Multiply float32 matrices as `precision` says; weights and optimizers stay float32.

    `tf32` rounds the factors to 10 bits of mantissa; `bf16` to 7, and on CUDA those of the weight
    gradients to 10. Sums are kept in float32.
    """
    before = torch.get_float32_matmul_precision()
    rounded = precision != "fp32" and device.type == "cuda"
    torch.set_float32_matmul_precision("high" if rounded else "highest")
    # Without its cache: a captured graph must cast the weights of each step anew.
    half = torch.autocast(device.type, torch.bfloat16, precision == "bf16", cache_enabled=False)
    try:
        with half:
            yield
    finally:
        torch.set_float32_matmul_precision(before)
