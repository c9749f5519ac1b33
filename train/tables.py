"""Tables on a device, and what methods do with their groups: owners, sums, means, draws."""

from __future__ import annotations

from typing import Any

import numpy.typing as npt
import torch

from zscr.infer.features.table import Split, Table

Tensors = Table[torch.Tensor]
TensorSplit = Split[torch.Tensor]
ArraySplit = Split[npt.NDArray[Any]]


def to_device(split: ArraySplit, device: torch.device | str) -> TensorSplit:
    """Copy a split's tables to the device, once."""
    tables = {
        name: Table(
            table.ids,
            torch.from_numpy(table.rows).to(device),
            torch.from_numpy(table.starts).to(device),
            table.texts,
        )
        for name, table in split.tables.items()
    }
    return Split(split.groups, tables)


def to_numpy(split: TensorSplit) -> ArraySplit:
    """Copy a split's tables back, which waits for the device."""
    tables = {
        name: Table(table.ids, table.rows.cpu().numpy(), table.starts.cpu().numpy(), table.texts)
        for name, table in split.tables.items()
    }
    return Split(split.groups, tables)


def owners(table: Tensors) -> torch.Tensor:
    """Return (N,) the number of the group that each row belongs to, without waiting for it."""
    return torch.repeat_interleave(table.starts.diff(), output_size=len(table.rows))


def group_sums(table: Tensors) -> torch.Tensor:
    """Sum the rows (N, D) of each group -> (C, D)."""
    sums = table.rows.new_zeros(len(table.starts) - 1, table.rows.shape[1])
    return sums.index_add_(0, owners(table), table.rows)


def group_means(table: Tensors) -> torch.Tensor:
    """Average the rows (N, D) of each group -> (C, D)."""
    return group_sums(table) / table.starts.diff()[:, None]


def draw(
    starts: torch.Tensor,
    groups: torch.Tensor,
    noise: torch.Generator,
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Draw a random row number of each group; see `rows_at`.

    Args:
        starts: (C+1,) of a table; groups: group numbers of any shape.
        noise: of the draw, on their device; dtype: of the uniform numbers that it is made of.
    """
    share = torch.rand(groups.shape, generator=noise, device=groups.device, dtype=dtype)
    return rows_at(starts, groups, share)


def draw_pairs(
    split: TensorSplit,
    count: int,
    noise: torch.Generator,
    names: tuple[str, str] = ("image", "text"),
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw up to `count` different groups, and of each a row of two tables -> (B, …), (B, …)."""
    groups = torch.randperm(len(split.groups), generator=noise)[:count]
    tables = split[names[0]], split[names[1]]
    first, second = (
        table.rows[draw(table.starts, groups, noise, torch.float64)] for table in tables
    )
    return first, second


def rows_at(starts: torch.Tensor, groups: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Return the number of one row of each group: the row that a share of the group lies before.

    Args:
        starts: (C+1,) of a table; the groups asked for have rows.
        groups: group numbers of any shape.
        share: of the same shape, in [0, 1): uniform ones draw rows at random.
    """
    # The largest float below 1 takes a count down by more than half of its last digit, so the
    # product never rounds up to the count itself.
    return starts[groups] + (share * starts.diff()[groups]).long()
