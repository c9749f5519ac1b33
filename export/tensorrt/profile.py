"""Optimisation profiles: the shapes that an engine accepts, and those that it is tuned for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zscr.errors import ConfigError

Shape = tuple[int, ...]

BATCHES = (1, 8, 64)  # smallest, usual and largest batch
LENGTHS = (1, 16, 128)  # the same for a text in tokens


@dataclass(frozen=True)
class Range:
    """The smallest and largest shape of an input, and the one that the engine is tuned for."""

    min: Shape
    opt: Shape
    max: Shape


@dataclass(frozen=True)
class Profile:
    """An optimisation profile: input name -> the shapes that it may take."""

    ranges: Mapping[str, Range]


@dataclass(frozen=True)
class Tensor:
    """An input or output of an engine. An axis of -1 is one that the profile bounds."""

    name: str
    dtype: str
    shape: Shape


def profile_for(
    inputs: Sequence[Tensor], *, batches: Shape = BATCHES, lengths: Shape = LENGTHS
) -> Profile:
    """Bound the dynamic axes of a graph's inputs.

    Axis 0 is the batch; axis 1 of a matrix, if it is dynamic, is the length of a text in tokens.

    Raises:
        ConfigError: another axis is dynamic (such as an image's height), so nothing bounds it.
    """
    return Profile({tensor.name: _range(tensor, batches, lengths) for tensor in inputs})


def _range(tensor: Tensor, batches: Shape, lengths: Shape) -> Range:
    bounds = {0: batches, 1: lengths} if len(tensor.shape) == 2 else {0: batches}
    if any(size < 0 and axis not in bounds for axis, size in enumerate(tensor.shape)):
        raise ConfigError(
            f"input {tensor.name} has the shape {tensor.shape}, but only the batch and a text's "
            f"length may be dynamic (-1); export the graph with its other axes fixed"
        )
    smallest, usual, largest = (
        tuple(bounds[axis][i] if size < 0 else size for axis, size in enumerate(tensor.shape))
        for i in range(3)
    )
    return Range(smallest, usual, largest)
