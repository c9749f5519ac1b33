"""Optimisation profiles bound what a graph leaves open."""

from __future__ import annotations

import pytest

from zscr.errors import ConfigError
from zscr.export.tensorrt.profile import BATCHES, Range, Tensor, profiles_for


def test_profiles_bound_batch_and_length() -> None:
    """Dynamic axes get the three sizes of their kind, fixed ones stay, others are refused."""
    pixels = Tensor("pixels", "float32", (-1, 3, 224, 224))
    ids = Tensor("input_ids", "int64", (-1, -1))
    one, four = profiles_for([pixels, ids], batches=(1, 4), lengths=(1, 8, 32))
    assert one["pixels"] == Range(*[(1, 3, 224, 224)] * 3)
    assert four["pixels"] == Range((2, 3, 224, 224), (4, 3, 224, 224), (4, 3, 224, 224))
    assert one["input_ids"] == Range((1, 1), (1, 8), (1, 32))
    assert four["input_ids"] == Range((2, 1), (4, 8), (4, 32))
    with pytest.raises(ConfigError, match=r"pixels has the shape \(-1, 3, -1, -1\)"):
        profiles_for([Tensor("pixels", "float32", (-1, 3, -1, -1))])


def test_every_batch_up_to_the_largest_has_one_profile() -> None:
    """Without a gap, nor two that could serve the same."""
    found = [p["x"] for p in profiles_for([Tensor("x", "float32", (-1, 8))])]
    served = [batch for one in found for batch in range(one.min[0], one.max[0] + 1)]
    assert served == list(range(1, max(BATCHES) + 1))
    assert tuple(one.opt[0] for one in found) == BATCHES


def test_a_graph_whose_batch_is_fixed_has_one_profile() -> None:
    """Four that are alike would be four times the time and the size."""
    [only] = profiles_for([Tensor("x", "float32", (1, 8))])
    assert only == {"x": Range((1, 8), (1, 8), (1, 8))}


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_no_axis_of_an_image_is_a_texts_length(axis: int) -> None:
    """Only a matrix has one: an engine for images of 1 to 128 channels would be nonsense."""
    shape = tuple(-1 if place in (0, axis) else 8 for place in range(4))
    with pytest.raises(ConfigError, match="only the batch and a text's length may be dynamic"):
        profiles_for([Tensor("pixels", "float32", shape)])
