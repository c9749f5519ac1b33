"""Channels whose scores are fused: centred, projected, expanded, normalised as their data say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zscr.errors import ArtefactError
from zscr.infer.composed.batch import Batch
from zscr.infer.composed.files import Files
from zscr.infer.composed.gallery import Images
from zscr.infer.composition.affine import Affine, Numbers, Scores, affine, projected
from zscr.infer.composition.basic import divisors
from zscr.infer.composition.composition import Channel, Composition, Expansion
from zscr.infer.composition.expansion import expanded
from zscr.infer.composition.fusion import Moments
from zscr.infer.composition.statistics import Statistics


@dataclass(frozen=True, eq=False)
class Scored:
    """The channels of B queries, and their moments over the gallery where the fusion asks."""

    channels: Sequence[Affine]
    moments: Sequence[Moments] | None

    def of(self, place: int) -> tuple[list[Affine], Sequence[Moments] | None]:
        """Return those of one query."""
        rows = slice(place, place + 1)
        moments = self.moments and [(mean[rows], std[rows]) for mean, std in self.moments]
        return [one.of(place) for one in self.channels], moments


class Scoring:
    """Makes a composition's channels over one state of an index."""

    def __init__(
        self, composition: Composition, files: Files, statistics: Statistics, gallery: Images
    ) -> None:
        self._composition, self._files = composition, files
        self._statistics, self._gallery = statistics, gallery
        named = composition.gallery_mean
        self._mean: Numbers | None = None if named is None else files.row(named)

    @property
    def mean(self) -> Numbers:
        """The gallery's mean (D,): the stored one, else that of the whole index."""
        return self._statistics.mean if self._mean is None else self._mean

    def channels(self, batch: Batch, rows: Mapping[str, Scores]) -> Scored:
        """Return the channels of the rows (B, D) of each field."""
        own = self._composition.channels
        made = [self._channel(batch, one, rows[one.field]) for one in own]
        if self._composition.fusion.kind == "harris":
            made = self._normalised(made)
        if self._composition.fusion.kind != "cdf":
            return Scored(made, None)
        mean, covariance = self._moments()
        return Scored(made, [one.moments(mean, covariance) for one in made])

    def _channel(self, batch: Batch, channel: Channel, rows: Scores) -> Affine:
        centred = rows - self._mean_of(channel) if channel.centred else rows
        made = self._affine(channel, centred)
        if self._composition.expansion is None or channel.field == "text":
            return made
        return self._affine(channel, self._expanded(batch, channel, centred, made))

    def _affine(self, channel: Channel, rows: Scores) -> Affine:
        if channel.projection is not None:
            rows = projected(rows, self._files.columns(channel.projection))
        return affine(rows, self.mean if channel.centred else None)

    def _mean_of(self, channel: Channel) -> Numbers:
        return self.mean if channel.mean is None else self._files.row(channel.mean)

    def _expanded(self, batch: Batch, channel: Channel, rows: Scores, made: Affine) -> Scores:
        """Return each query's mean (B, D) with its best images, told where there are fewer."""
        how = self._composition.expansion or Expansion()
        means = rows.copy()
        for place in batch.sound:
            found, products = self._gallery.nearest(made.directions[place], how.images)
            if len(found) < how.images:
                batch.tell(place, f"expanded by all {len(found)} images, not by {how.images}")
            images = self._gallery.vectors_of(found).astype(np.float64)
            images -= self.mean if channel.centred else 0
            scores = made.of(place).put_back(products[None])[0]
            means[place] = expanded(rows[place], images, scores, how.sharpness)
        return means

    def _normalised(self, made: Sequence[Affine]) -> list[Affine]:
        """Return (s - m) / d of the channels that are centred; see `Fusion.divisor`."""
        own = self._composition.channels
        if not all(one.centred for one in own):
            return list(made)
        minima = tuple(map(self._least, own))
        sizes = divisors(minima, self._composition.fusion.divisor)
        return [
            one.normalised(low, size) for one, low, size in zip(made, minima, sizes, strict=True)
        ]

    def _least(self, channel: Channel) -> float:
        """Return the least that the channel scores: stored, or of the index's own images."""
        if channel.least is not None:
            return channel.least
        if channel.samples is not None:
            rows = self._files.rows(channel.samples) - self._mean_of(channel)
            return self._statistics.least(rows, self._mean)
        if channel.field == "text":
            raise ArtefactError(
                f"the composition '{self._composition.name}' has neither the least that texts "
                f"score nor samples to measure it with; make the bundle anew"
            )
        return self._statistics.least(None, self._mean)

    def _moments(self) -> tuple[Numbers, Numbers]:
        if self._composition.moments is None:
            return self._statistics.mean, self._statistics.covariance
        rows = self._files.rows(self._composition.moments)
        if len(rows) != rows.shape[1] + 1:
            raise ArtefactError(
                f"{self._composition.moments} holds {len(rows)} rows, not a mean and a covariance "
                f"of {rows.shape[1]}; make the bundle anew"
            )
        return rows[0], rows[1:]
