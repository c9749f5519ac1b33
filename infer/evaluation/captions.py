"""The standard figures of captions and images that ask for each other, with intervals over images.

The protocol of Karpathy and Fei-Fei (CVPR 2015): R@1, R@5 and R@10 are shares of queries with a
right answer in the first k; an image is answered by any of its own captions.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.data.records import Query
from zscr.data.relevance import ByItem, Truth
from zscr.data.tasks import Task
from zscr.infer.evaluation.bootstrap import bounds, resampled, resampled_medians
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.figures import FIRST, MEDIAN, query_values
from zscr.infer.evaluation.graded import count_relevant
from zscr.infer.evaluation.metrics import Values, median_rank

KS = (1, 5, 10)
RECALLS = tuple(f"R@{k}" for k in KS)
FIGURES = (*RECALLS, MEDIAN)
TEXT_TO_IMAGE, IMAGE_TO_TEXT = "text to image", "image to text"


@dataclass(frozen=True)
class Direction:
    """What one side finds of the other.

    Attributes:
        metrics: `R@1`, `R@5`, `R@10` and `median rank`, over all queries.
        draws: (B, 4) the same figures of B resamplings of the groups.
        chance: what a random ranking's R@k are expected to be.
        queries, gallery: their numbers.
        sd: standard deviation of each figure over runs, where it is a mean of several.
    """

    metrics: Mapping[str, float]
    draws: Values
    chance: Mapping[str, float]
    queries: int
    gallery: int
    sd: Mapping[str, float] | None = None

    @cached_property
    def intervals(self) -> dict[str, list[float]]:
        """95 % percentile bootstrap intervals over groups, such as images."""
        return dict(zip(FIGURES, bounds(self.draws).tolist(), strict=True))

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON can hold it."""
        content = {"metrics": dict(self.metrics), "intervals": self.intervals}
        content |= {"sd": dict(self.sd)} if self.sd else {}
        sizes = {"queries": self.queries, "gallery": self.gallery}
        return content | {"chance": dict(self.chance)} | sizes


@dataclass(frozen=True)
class CaptionFigures:
    """The figures of one direction, or of both.

    Attributes:
        directions: `text to image`, and `image to text` where every image has captions that ask.
    """

    directions: Mapping[str, Direction]

    @property
    def rsum(self) -> tuple[float, list[float]] | None:
        """The six R@k of both directions summed, in per cent, with its interval."""
        if len(self.directions) < 2:
            return None
        both = self.directions.values()
        total = 100 * sum(one.metrics[name] for one in both for name in RECALLS)
        draws = 100 * sum(one.draws[:, : len(KS)].sum(axis=1) for one in both)
        [interval] = bounds(draws[:, None]).tolist()
        return total, interval

    def to_json(self) -> dict[str, Any]:
        """Return the directions by name, and `rsum` with its `interval`."""
        content: dict[str, Any] = {name: one.to_json() for name, one in self.directions.items()}
        if self.rsum:
            content["rsum"] = dict(zip(("value", "interval"), self.rsum, strict=True))
        return content


def shown(name: str, value: float) -> str:
    """Return one of `FIGURES` for people: ranks are whole but in means over runs."""
    return f"{value:g}" if name == MEDIAN else f"{value:.3f}"


def asks_by_caption(task: Task) -> bool:
    """Say whether a task is one of texts that ask for items which they are said of."""
    return task.fields == {"text"} and isinstance(task.relevance, ByItem)


def caption_figures(embedded: Embedded, *, both: bool = True) -> CaptionFigures:
    """Return the standard figures of a task for which `asks_by_caption` is true.

    Args:
        embedded: its captions and images.
        both: ask by the images, too. Where a gallery helps its queries the two sides differ.
    """
    groups = np.unique(np.asarray(embedded.task.groups))  # which both directions resample alike
    directions = {TEXT_TO_IMAGE: _direction(embedded, groups)}
    if both and (turned := reversed_captions(embedded)):
        directions[IMAGE_TO_TEXT] = _direction(turned, groups)
    return CaptionFigures(directions)


def reversed_captions(embedded: Embedded) -> Embedded | None:
    """Return the task whose queries are the images and whose gallery is the captions.

    None where some image is what no caption asks for: its ranking would have nothing to find.
    """
    task, asked = embedded.task, defaultdict[str, dict[str, float]](dict)
    assert isinstance(task.relevance, ByItem), task.name
    truths, group_of = task.relevance.truths, dict[str, str]()
    for query, truth, group in zip(task.queries, truths, task.groups, strict=True):
        for item in truth.relevant:
            asked[item][query.id] = 1.0
            group_of.setdefault(item, group)
    if not asked.keys() >= {*task.gallery} or any(t.exclude or t.subset for t in truths):
        return None
    captions = tuple(query.id for query in task.queries)
    turned = replace(
        task,
        queries=tuple(Query.of("vector", embedded.gallery)),
        gallery=captions,
        field="text",
        relevance=ByItem([Truth(asked[item]) for item in task.gallery], captions),
        groups=tuple(group_of[item] for item in task.gallery),
    )
    return Embedded(turned, embedded.gallery, embedded.queries)


def mean_captions(figures: Sequence[CaptionFigures]) -> CaptionFigures:
    """Return the mean over runs on the same task, with standard deviations; one is itself.

    Every run was resampled by the same draws, so the mean of these has the mean's intervals.
    """
    if len(figures) == 1:
        return figures[0]
    names = figures[0].directions
    means = {name: _mean([one.directions[name] for one in figures]) for name in names}
    return CaptionFigures(means)


def _mean(runs: Sequence[Direction]) -> Direction:
    metrics = {name: [one.metrics[name] for one in runs] for name in FIGURES}
    return replace(
        runs[0],
        metrics={name: statistics.fmean(values) for name, values in metrics.items()},
        draws=np.mean([one.draws for one in runs], axis=0),
        sd={name: statistics.stdev(values) for name, values in metrics.items()},
    )


def _direction(embedded: Embedded, groups: npt.NDArray[np.str_]) -> Direction:
    """Return the figures of one side's queries, whose groups are some of `groups`."""
    task, counts = embedded.task, resampled(len(groups))
    ranks = query_values(embedded.queries, embedded.gallery, task.relevance, names=[FIRST])[FIRST]
    found, group = np.stack([ranks <= k for k in KS], axis=1), np.searchsorted(groups, task.groups)
    each = partial(np.bincount, group, minlength=len(groups))
    hits = np.stack([each(weights=one) for one in found.T], axis=1)
    recalls = counts @ hits / (counts @ each())[:, None]
    return Direction(
        metrics=dict(zip(FIGURES, [*found.mean(axis=0).tolist(), median_rank(ranks)], strict=True)),
        draws=np.column_stack([recalls, resampled_medians(ranks, group, counts)]),
        chance=_chance(task),
        queries=len(task.queries),
        gallery=len(task.gallery),
    )


def _chance(task: Task) -> dict[str, float]:
    """Return what R@k a random ranking is expected to have.

    Of G items n are relevant: none is among k with probability Π_{i < k} (G - n - i) / (G - i).
    """
    gallery = len(task.gallery)
    relevant = count_relevant(task.relevance, len(task.queries), gallery).relevant
    place = np.arange(min(max(KS), gallery))
    wrong = np.maximum(gallery - relevant[:, None] - place, 0)
    missed = np.cumprod(wrong / (gallery - place), axis=1)
    return {f"R@{k}": float(1 - missed[:, min(k, gallery) - 1].mean()) for k in KS}
