"""Tables on a device: what is moved, and what methods make of groups."""

from __future__ import annotations

import numpy as np
import torch

from zscr.infer.features.table import Split, Table
from zscr.train.tables import (
    Tensors,
    group_means,
    group_sums,
    owners,
    rows_at,
    to_device,
    to_numpy,
)


def table() -> Tensors:
    """Make groups of 2, 0, 1 and 3 rows."""
    rows = torch.tensor([[1.0, 10.0], [3.0, 20.0], [7.0, 0.0], [1.0, 1.0], [2.0, 2.0], [6.0, 9.0]])
    return Table(tuple("abcdef"), rows, torch.tensor([0, 2, 2, 3, 6]))


def test_splits_are_moved_whole_and_back() -> None:
    """Groups, ids, rows of any type and starts are the same on the device and back."""
    tokens = Table(("p", "q"), np.array([[1, 2, 3], [4, 5, 6]]), np.array([0, 1, 2]))
    images = Table(("i",), np.ones((1, 4), np.float32), np.array([0, 0, 1]))
    split = Split(("one", "two"), {"input_ids": tokens, "image": images})
    moved = to_device(split, "cpu")
    assert (moved.groups, set(moved.tables)) == (split.groups, {"input_ids", "image"})
    assert moved["input_ids"].rows.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert (moved["image"].rows.dtype, moved["image"].ids) == (torch.float32, ("i",))
    assert moved["image"].starts.tolist() == [0, 0, 1]
    back = to_numpy(moved)
    assert (back.groups, back["input_ids"].ids) == (split.groups, ("p", "q"))
    for name, own in split.tables.items():
        np.testing.assert_array_equal(back[name].rows, own.rows)
        np.testing.assert_array_equal(back[name].starts, own.starts)


def test_every_row_has_its_owner() -> None:
    """A group without rows owns none."""
    assert owners(table()).tolist() == [0, 0, 2, 3, 3, 3]


def test_groups_are_summed_and_averaged() -> None:
    """By hand; a group without rows adds up to 0."""
    assert group_sums(table()).tolist() == [[4, 30], [0, 0], [7, 0], [9, 12]]
    full = torch.tensor([0, 2, 3])
    assert group_means(table())[full].tolist() == [[2, 15], [7, 0], [3, 4]]


def test_a_share_of_a_group_points_at_one_of_its_rows() -> None:
    """Thirds of a group of three are its rows; the largest share below 1 is the last row."""
    almost = torch.nextafter(torch.tensor(1.0), torch.tensor(0.0)).item()
    groups = torch.tensor([[3, 3, 3], [3, 0, 2]])
    shares = torch.tensor([[0.0, 0.34, 0.67], [almost, 0.5, almost]])
    assert rows_at(table().starts, groups, shares).tolist() == [[3, 4, 5], [5, 1, 2]]


def test_no_share_leaves_its_group_by_rounding() -> None:
    """The largest float32 below 1 is a group's last row, or for want of digits one before it."""
    small, powers = torch.arange(1, 5000), 2 ** torch.arange(13, 40)
    counts = torch.cat([small, powers - 1, powers, powers + 1, powers + 3])
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    share = torch.nextafter(torch.tensor(1.0), torch.tensor(0.0)).expand(len(counts))
    last = starts[1:] - 1 - rows_at(starts, torch.arange(len(counts)), share)
    assert last.min() == 0
    assert not last[counts < 1 << 23].any()
