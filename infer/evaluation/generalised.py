"""Plain and generalised zero-shot figures of one model, or their mean over several runs.

Plain: unseen classes' queries ask for their images among images of unseen classes. Generalised
(Chao et al. 2016): the gallery holds the seen classes' images too, and their queries ask as well.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zscr.infer.evaluation.captions import (
    CaptionFigures,
    asks_by_caption,
    caption_figures,
    mean_captions,
)
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.gallery_use import GalleryUse
from zscr.infer.evaluation.metrics import harmonic_mean
from zscr.infer.evaluation.ranked import Ranked
from zscr.infer.evaluation.report import RetrievalReport
from zscr.infer.evaluation.reversal import reversed_figures


@dataclass(frozen=True)
class Generalised:
    """The figures over the gallery of both kinds of classes.

    Attributes:
        unseen, seen: of the unseen and of the seen classes' queries.
        harmonic: harmonic mean of the two, of each figure that is no ceiling.
        sd: of `harmonic` over runs, where there are several.
    """

    unseen: RetrievalReport
    seen: RetrievalReport
    harmonic: Mapping[str, float]
    sd: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Evaluation:
    """Plain figures, and generalised ones where the seen classes were embedded too.

    Attributes:
        captions: the standard figures, where captions ask for what they are said of.
        reversed: the task's own figures where its images ask; see `reversed_figures`.
    """

    plain: RetrievalReport
    generalised: Generalised | None = None
    captions: CaptionFigures | None = None
    reversed: Mapping[str, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the plain figures, the others by name among them, as JSON can hold them."""
        content = self.plain.to_json()
        if self.captions:
            content["captions"] = self.captions.to_json()
        if self.reversed:
            content["reversed"] = dict(self.reversed)
        if self.generalised:
            both = {"unseen": self.generalised.unseen, "seen": self.generalised.seen}
            harmonic = {"metrics": dict(self.generalised.harmonic)}
            if self.generalised.sd is not None:
                harmonic["sd"] = dict(self.generalised.sd)
            content["generalised"] = {name: report.to_json() for name, report in both.items()}
            content["generalised"]["harmonic"] = harmonic
        return content


def evaluate(
    unseen: Ranked, seen: Ranked | None = None, *, use: GalleryUse | None = None
) -> Evaluation:
    """Return the figures of a task, generalised too where that of the seen classes is given.

    Args:
        unseen, seen: the task on each kind of classes.
        use: what the gallery, whichever is asked, does for its queries and embeddings.
    """
    use = use or GalleryUse()
    if seen is None:
        turned = None if use else reversed_figures(unseen)
        return Evaluation(use(unseen).report(), None, _captions(unseen, use), turned)
    both = unseen.with_gallery_of(seen), seen.with_gallery_of(unseen)
    reports = use(both[0]).report(), use(both[1]).report()
    figures, seen_figures = (report.metrics for report in reports)
    names = [name for name in figures if not name.endswith("ceiling")]
    harmonic = {name: harmonic_mean(figures[name], seen_figures[name]) for name in names}
    return Evaluation(use(unseen).report(), Generalised(*reports, harmonic))


def _captions(ranked: Ranked, use: GalleryUse) -> CaptionFigures | None:
    """Return the figures of captions, of one direction where the gallery helps its queries."""
    if not asks_by_caption(ranked.task):
        return None
    embedded = use(ranked)
    assert isinstance(embedded, Embedded), "captions are one vector each"
    return caption_figures(embedded, both=not use)


def mean_evaluation(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Return the mean over runs on the same test set, with standard deviations; one is itself."""
    if len(evaluations) == 1:
        return evaluations[0]
    plain = _mean_report([one.plain for one in evaluations])
    captions = [one.captions for one in evaluations if one.captions]
    parts = [one.generalised for one in evaluations if one.generalised]
    if not parts:
        turned = [one.reversed for one in evaluations if one.reversed]
        means = mean_captions(captions) if captions else None, _means(turned) if turned else None
        return Evaluation(plain, None, *means)
    harmonic = [part.harmonic for part in parts]
    unseen, seen = ([getattr(part, side) for part in parts] for side in ("unseen", "seen"))
    both = _mean_report(unseen), _mean_report(seen)
    return Evaluation(plain, Generalised(*both, _means(harmonic), _deviations(harmonic)))


def _mean_report(reports: Sequence[RetrievalReport]) -> RetrievalReport:
    """Average metrics, curve and each group's figures; intervals follow from the groups'."""
    first = reports[0]
    sizes = [[(row.group, row.queries, row.relevant) for row in r.per_group] for r in reports]
    assert all(size == sizes[0] for size in sizes), "runs on different test sets"
    rows = zip(*(report.per_group for report in reports), strict=True)
    metrics = [report.metrics for report in reports]
    return replace(
        first,
        metrics=_means(metrics),
        sd=_deviations(metrics),
        curve=tuple(map(statistics.fmean, zip(*(r.curve for r in reports), strict=True))),
        per_group=tuple(
            replace(group[0], metrics=_means([row.metrics for row in group])) for group in rows
        ),
    )


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.fmean(f[name] for f in figures) for name in figures[0]}


def _deviations(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: statistics.stdev(f[name] for f in figures) for name in figures[0]}
