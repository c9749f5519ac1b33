"""Figures of models on one task: of one configuration as a mean, of several beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zscr.data.tasks import Task
from zscr.errors import InputError
from zscr.infer.evaluation.gallery_use import GalleryUse
from zscr.infer.evaluation.generalised import evaluate, mean_evaluation
from zscr.infer.evaluation.ranked import Ranked
from zscr.train.evaluation.model import Model

DESCRIBED = ("method", "kind", "selection", "refitted", "config", "head_settings")


def figures_of(
    models: Sequence[Model], ranked: Sequence[Sequence[Ranked]], use: GalleryUse
) -> dict[str, Any]:
    """Return the figures of every model of one configuration, or their mean.

    Args:
        models: that differ in their seed alone.
        ranked: of each, the task and perhaps the same of the seen classes.
        use: what the gallery does.
    """
    evaluations = [evaluate(*parts, use=use) for parts in ranked]
    report = mean_evaluation(evaluations).to_json()
    if len(models) > 1:
        report["runs"] = [
            {"model": str(m.folder), "seed": m.about["seed"], **e.to_json()}
            for m, e in zip(models, evaluations, strict=True)
        ]
    return report


def figures_beside(
    groups: Sequence[Sequence[Model]], tasks: Sequence[Task], use: GalleryUse
) -> dict[str, Mapping[str, Any]]:
    """Return the figures of other models by what they are called: method, folder, more seeds.

    Args:
        groups: of models of one configuration each.
        tasks: the task and perhaps the same of the seen classes; use: what the gallery does.

    Raises:
        InputError: one of them does not take the task's queries.
    """
    beside = {}
    for models in groups:
        first, more = models[0], len(models) - 1
        if not first.answers(tasks[0]):
            raise InputError(f"{first.unanswered(tasks[0])}; leave it out of --beside")
        ranked = [[model.rank(task, features=bool(use)) for task in tasks] for model in models]
        about = {name: first.about[name] for name in DESCRIBED}
        about |= {"seeds": [model.about["seed"] for model in models]}
        name = f"{first.about['method']}, {first.folder.name}"
        name += f" and {more} more seed{'s' * (more > 1)}" if more else ""
        beside[name] = about | figures_of(models, ranked, use)
    return beside
