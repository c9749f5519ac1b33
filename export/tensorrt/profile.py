"""Optimisation profiles: the shapes that an engine accepts, and those that it is tuned for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from zscr.errors import ConfigError

Shape = tuple[int, ...]

BATCHES = (1, 8, 64, 512)  # the largest batch of each profile, which it is tuned for
LENGTHS = (1, 16, 128)  # smallest, usual and largest length of a text in tokens


@dataclass(frozen=True)
class Range:
    """The smallest and largest shape of an input, and the one that the engine is tuned for."""

    min: Shape
    opt: Shape
    max: Shape


Profile = Mapping[str, Range]  # an input's name -> the shapes that it may take


@dataclass(frozen=True)
class Tensor:
    """An input or output of an engine. An axis of -1 is one that a profile bounds."""

    name: str
    dtype: str
    shape: Shape


def profiles_for(
    inputs: Sequence[Tensor], *, batches: Shape = BATCHES, lengths: Shape = LENGTHS
) -> tuple[Profile, ...]:
    """Bound the dynamic axes of a graph's inputs, once a bucket of batches.

    Axis 0 is the batch: a profile takes those above the last one's, up to its own largest. Axis 1
    of a matrix, if it is dynamic, is the length of a text in tokens. A graph whose batch is fixed
    has one profile.

    Args:
        inputs: of the graph.
        batches: the largest of each bucket, ascending.
        lengths: smallest, usual and largest.

    Raises:
        ConfigError: another axis is dynamic (such as an image's height), so nothing bounds it.
    """
    profiles: list[Profile] = []
    for bucket in _buckets(batches):
        profile = {tensor.name: _range(tensor, bucket, lengths) for tensor in inputs}
        if profile not in profiles:
            profiles.append(profile)
    return tuple(profiles)


def _buckets(batches: Shape) -> Iterator[Shape]:
    """Yield smallest, usual and largest batch of each profile."""
    for before, largest in zip((0, *batches), batches, strict=False):
        yield before + 1, largest, largest


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
