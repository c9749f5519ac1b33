"""Every control of `zscr evaluate`, on the features or embeddings that the model itself has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from zscr.data.collection import Collection
from zscr.data.tasks import Task
from zscr.infer.encoder import Rows
from zscr.infer.evaluation.controls.colour import Histograms, colour_ridge, image_neighbours
from zscr.infer.evaluation.controls.composed import part_controls
from zscr.infer.evaluation.controls.control import Control, class_mean_oracle, random_ranking
from zscr.infer.evaluation.controls.kernel import kernel_ridge
from zscr.infer.evaluation.controls.linear import eszsl, ridge
from zscr.infer.evaluation.controls.preprocessing import SHRINKS
from zscr.infer.evaluation.generalised import evaluate
from zscr.infer.features.table import Array, Split
from zscr.train.evaluation.model import Model

Splits = Mapping[str, Split[Array]]


def part_figures(parts: Mapping[str, Rows], gallery: Rows, task: Task) -> dict[str, Any]:
    """Return the figures of each part of a task's queries alone, of their mean, and of chance."""
    controls = part_controls(parts, gallery, task)
    return {name: evaluate(control).to_json() for name, control in controls.items()}


def class_controls(model: Model, judged_on: Sequence[str]) -> dict[str, Any]:
    """Return each control's figures, with what was chosen on the validation classes.

    Args:
        model: a run; its features are the controls', its images the colour controls'.
        judged_on: the split judged on, and `seen` for generalised figures.
    """
    assert model.features is not None, "a bundle has no features"
    splits = {name: model.features(name) for name in ("seen", "val", *judged_on)}
    histograms, figures = Histograms(_image_paths(model.collection)), {}
    for control in _controls(model.about, histograms, splits):
        found = evaluate(*(control.judge(splits[name], name) for name in judged_on))
        figures[control.name] = {**control.chosen, **found.to_json()}
    if histograms.cover(splits[judged_on[0]]):
        neighbours = image_neighbours(histograms(splits[judged_on[0]]))
        figures["colour histogram, image to image"] = neighbours
    return figures


def _image_paths(collection: Collection) -> dict[str, Path]:
    return {item.id: collection.folder / item.image for item in collection.items if item.image}


def _controls(
    about: Mapping[str, Any], histograms: Histograms, splits: Splits
) -> Iterator[Control]:
    """Yield each control, fitted on what the run was: with a refit, on both kinds of classes."""
    from zscr.train.evaluation.ablations import ablations
    from zscr.train.evaluation.dual import linear_dual_encoder

    seen, val, refit = splits["seen"], splits["val"], bool(about["refitted"])
    yield random_ranking()
    yield class_mean_oracle(seen)
    yield ridge(seen, val, refit=refit)
    yield ridge(seen, val, shrinks=SHRINKS, refit=refit)
    yield eszsl(seen, val, shrinks=SHRINKS, refit=refit)
    yield kernel_ridge(seen, val, refit=refit)
    yield linear_dual_encoder(seen, val, int(about["seed"]), refit=refit)
    yield from ablations(about, seen, val, refit=refit)
    if all(map(histograms.cover, splits.values())):
        yield colour_ridge(histograms, seen, val, refit=refit)
