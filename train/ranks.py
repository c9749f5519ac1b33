"""The processes that train one model together, if there are several, as `torchrun` starts them.

Without them every function here does nothing. Each process (rank) makes the same run with the same
random numbers; what they share out is told by the method, and only the first writes files.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from zscr.errors import RankError

TIMEOUT = timedelta(minutes=10)  # what the others wait for a rank; validation is the longest step


def own_rank() -> int:
    """Return this process's number; 0 is the first, which writes."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def rank_count() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


@contextmanager
def joined_ranks(device: torch.device, timeout: timedelta = TIMEOUT) -> Iterator[None]:
    """Join the processes that `torchrun` has started, if it has started this one, and leave them.

    All but the first are silent: what they would say is what the first says.

    Raises:
        RankError: they cannot be reached.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    with _telling():
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=timeout)
    try:
        with nullcontext() if own_rank() == 0 else redirect_stderr(io.StringIO()):
            yield
    finally:
        distributed.destroy_process_group()


def add_over_ranks(tensors: Iterable[torch.Tensor]) -> None:
    """Replace each tensor by its sum over the ranks, in place."""
    if rank_count() == 1:
        return
    whole = [*tensors]
    flat = torch.cat([tensor.flatten() for tensor in whole])
    with _telling():
        distributed.all_reduce(flat)
    parts = torch.split(flat, [one.numel() for one in whole])
    for tensor, part in zip(whole, parts, strict=True):
        tensor.copy_(part.view_as(tensor))


def any_rank(flag: bool, device: torch.device) -> bool:
    """Say whether it holds on any rank: all of them hear the same, and go on alike."""
    if rank_count() == 1:
        return flag
    found = torch.tensor(float(flag), device=device)
    add_over_ranks([found])
    return bool(found)


def wait_for_ranks(device: torch.device) -> None:
    """Wait until every rank has come here."""
    any_rank(False, device)


def as_first(value: Any) -> Any:
    """Return the value that the first rank has, such as the folder that it has made."""
    if rank_count() == 1:
        return value
    box = [value]
    with _telling():
        distributed.broadcast_object_list(box, src=0)
    return box[0]


@contextmanager
def _telling() -> Iterator[None]:
    """Say in one sentence that another rank is gone, or silent for too long."""
    try:
        yield
    except RuntimeError as error:
        why = " ".join(str(error).split())
        raise RankError(
            f"another process of this training ended or fell silent ({why:.200}); see what it "
            f"said, then go on with: zscr train --resume"
        ) from error
