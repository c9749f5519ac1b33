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
from zscr.infer.composition.fusion import Moments, fused
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.evaluation.ranking import Scores

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
        moments: of each channel, (Q, 1) each, for `cdf`; None takes those of the gallery itself.
    """

    channels: tuple[Affine, ...]
    gallery: Rows
    fusion: Fusion
    moments: tuple[Moments, ...] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """See `Scorer`."""
        return len(self.channels[0].shifts), len(self.gallery)

    def blocks(self, step: int) -> Iterator[tuple[int, Scores]]:
        """See `Scorer`."""
        columns = self.gallery.astype(np.float64).T
        for start in range(0, self.shape[0], step):
            some = self._asked(slice(start, start + step))
            products = (one.directions.astype(np.float64) @ columns for one in some.channels)
            scores = [one.put_back(row) for one, row in zip(some.channels, products, strict=True)]
            yield start, fused(scores, self.fusion, moments=some.moments)

    def row(self, number: int) -> FusedScores:
        """See `Scorer`."""
        return self._asked(slice(number, number + 1))

    def part(self, queries: slice, places: Order) -> FusedScores:
        """See `Scorer`; what a fusion asks of a gallery, it then asks of these items."""
        return replace(self._asked(queries), gallery=self.gallery[places])

    def _asked(self, rows: slice) -> FusedScores:
        """Return the scores of some of the queries."""
        channels = tuple(
            Affine(one.directions[rows], one.lengths[rows], one.shifts[rows])
            for one in self.channels
        )
        moments = self.moments and tuple((mean[rows], std[rows]) for mean, std in self.moments)
        return replace(self, channels=channels, moments=moments)


@dataclass(frozen=True)
class Fused(Ranked):
    """A task with the channels of its queries over its gallery (G, D); see `FusedScores`."""

    task: Task
    channels: tuple[Affine, ...]
    gallery: Rows
    fusion: Fusion
    moments: tuple[Moments, ...] | None = None

    def __post_init__(self) -> None:
        sizes = len(self.task.queries), len(self.task.gallery)
        assert all((len(one.shifts), len(self.gallery)) == sizes for one in self.channels), sizes

    @property
    def scorer(self) -> FusedScores:
        """See `Ranked`."""
        return FusedScores(self.channels, self.gallery, self.fusion, self.moments)

    def with_gallery_of(self, other: Ranked) -> Fused:
        """See `Ranked`."""
        assert isinstance(other, Fused), type(other)
        gallery = np.concatenate([self.gallery, other.gallery])
        return replace(self, task=self.task.widened(other.task), gallery=gallery)
