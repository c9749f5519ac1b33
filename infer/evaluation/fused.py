"""A task whose queries score its gallery by several vectors, whose scores are fused into one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from zscr.data.relevance import Order
from zscr.data.tasks import Task
from zscr.infer.composition.affine import Affine
from zscr.infer.composition.composition import Fusion
from zscr.infer.composition.fusion import fused
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.evaluation.ranking import SCORE_DECIMALS, Scores

Rows = npt.NDArray[np.floating]


@dataclass(frozen=True)
class FusedScores:
    """A `Scorer` of channels that share one gallery.

    Memory of `blocks`: the gallery once more as float64, and a block for each channel and for what
    its fusion takes.

    Attributes:
        channels: of the same Q queries; gallery: unit rows (G, D).
        fusion: of the channels, in their order; a linear one makes one vector a query, which needs
            none of this.
    """

    channels: tuple[Affine, ...]
    gallery: Rows
    fusion: Fusion

    @property
    def shape(self) -> tuple[int, int]:
        """See `Scorer`."""
        return len(self.channels[0].shifts), len(self.gallery)

    def blocks(self, step: int) -> Iterator[tuple[int, Scores]]:
        """See `Scorer`."""
        columns = self.gallery.astype(np.float64).T
        for start in range(0, self.shape[0], step):
            rows = slice(start, start + step)
            yield start, fused([_scores(_of(c, rows), columns) for c in self.channels], self.fusion)

    def row(self, number: int) -> FusedScores:
        """See `Scorer`."""
        return replace(self, channels=tuple(channel.of(number) for channel in self.channels))

    def part(self, queries: slice, places: Order) -> FusedScores:
        """See `Scorer`; what a fusion asks of a gallery, it then asks of these items."""
        channels = tuple(_of(channel, queries) for channel in self.channels)
        return replace(self, channels=channels, gallery=self.gallery[places])


@dataclass(frozen=True)
class Fused(Ranked):
    """A task with the channels of its queries over its gallery (G, D); see `FusedScores`."""

    task: Task
    channels: tuple[Affine, ...]
    gallery: Rows
    fusion: Fusion

    def __post_init__(self) -> None:
        sizes = len(self.task.queries), len(self.task.gallery)
        assert all((len(one.shifts), len(self.gallery)) == sizes for one in self.channels), sizes

    @property
    def scorer(self) -> FusedScores:
        """See `Ranked`."""
        return FusedScores(self.channels, self.gallery, self.fusion)

    def with_gallery_of(self, other: Ranked) -> Fused:
        """See `Ranked`."""
        assert isinstance(other, Fused), type(other)
        gallery = np.concatenate([self.gallery, other.gallery])
        return replace(self, task=self.task.widened(other.task), gallery=gallery)


def _of(channel: Affine, rows: slice) -> Affine:
    return Affine(channel.directions[rows], channel.lengths[rows], channel.shifts[rows])


def _scores(channel: Affine, columns: Scores) -> Scores:
    """Return a channel's scores (B, G); cosines are rounded as those of a ranking are.

    What is equal then stays so when it is fused: a fusion computes each item's score by itself.
    """
    cosines = channel.directions.astype(np.float64) @ columns
    return channel.put_back(np.round(cosines, SCORE_DECIMALS))
