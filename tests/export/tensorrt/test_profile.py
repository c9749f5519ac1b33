"""Optimisation profiles bound what a graph leaves open."""

from __future__ import annotations

import pytest

from zscr.errors import ConfigError
from zscr.export.tensorrt.profile import Range, Tensor, profile_for


def test_profile_bounds_batch_and_length() -> None:
    """Dynamic axes get the three sizes of their kind, fixed ones stay, others are refused."""
    pixels = Tensor("pixels", "float32", (-1, 3, 224, 224))
    ids = Tensor("input_ids", "int64", (-1, -1))
    ranges = profile_for([pixels, ids], batches=(1, 2, 4), lengths=(1, 8, 32)).ranges
    assert ranges["pixels"] == Range((1, 3, 224, 224), (2, 3, 224, 224), (4, 3, 224, 224))
    assert ranges["input_ids"] == Range((1, 1), (2, 8), (4, 32))
    with pytest.raises(ConfigError, match=r"pixels has the shape \(-1, 3, -1, -1\)"):
        profile_for([Tensor("pixels", "float32", (-1, 3, -1, -1))])


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_no_axis_of_an_image_is_a_texts_length(axis: int) -> None:
    """Only a matrix has one: an engine for images of 1 to 128 channels would be nonsense."""
    shape = tuple(-1 if place in (0, axis) else 8 for place in range(4))
    with pytest.raises(ConfigError, match="only the batch and a text's length may be dynamic"):
        profile_for([Tensor("pixels", "float32", shape)])
