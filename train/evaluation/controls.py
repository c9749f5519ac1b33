"""Every control of `zscr evaluate`, on the features or embeddings that the model itself has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from zscr.data.collection import Collection
from zscr.infer.evaluation.controls.colour import Histograms, colour_ridge, image_neighbours
from zscr.infer.evaluation.controls.control import (
    Control,
    class_mean_oracle,
    random_ranking,
    unit,
)
from zscr.infer.evaluation.controls.kernel import PENALTIES, WIDTHS, kernel_ridge
from zscr.infer.evaluation.controls.linear import eszsl, ridge
from zscr.infer.evaluation.controls.preprocessing import SHRINKS, Map, Preprocessing
from zscr.infer.evaluation.embedded import Embedded
from zscr.infer.evaluation.gallery_use import GalleryUse
from zscr.infer.evaluation.generalised import evaluate
from zscr.infer.features.table import Array, Split, joined
from zscr.train.evaluation.model import Model

NOTHING = GalleryUse()


def class_controls(
    model: Model, judged_on: Sequence[str], use: GalleryUse = NOTHING
) -> dict[str, Any]:
    """Return each control's figures, with what was chosen on the validation classes.

    Args:
        model: a run; its features are the controls', its images the colour controls'.
        judged_on: the split judged on, and `seen` for generalised figures.
        use: what the gallery does for them, as for the model.
    """
    splits = {name: _features(model, name) for name in ("seen", "val", *judged_on)}
    histograms, figures = Histograms(_image_paths(model.collection)), {}
    feature = image_feature(model) if use else None
    for control in chain(fitted_controls(model), _colour_controls(model, histograms)):
        parts = (judged(control, splits[name], name, feature) for name in judged_on)
        figures[control.name] = {**control.chosen, **evaluate(*parts, use=use).to_json()}
    if histograms.cover(splits[judged_on[0]]):
        neighbours = image_neighbours(histograms(splits[judged_on[0]]))
        figures["colour histogram, image to image"] = neighbours
    return figures


def judged(control: Control, split: Split[Array], name: str, feature: Map | None) -> Embedded:
    """Embed a split by a control, with image features where these are wanted."""
    embedded = control.judge(split, name)
    if feature is None:
        return embedded
    return replace(embedded, features=unit(feature(split["image"].rows)))


def image_feature(model: Model) -> Map:
    """Return the map by which controls compare images with each other: zscrgan's scaling."""
    fitted = _fitted(model)
    return Preprocessing.of(fitted, SHRINKS[0]).image


def fitted_controls(model: Model, *, parts: bool = True) -> Iterator[Control]:
    """Yield each control, fitted on what the run was: with a refit, on both kinds of classes.

    Args:
        model: a run.
        parts: the run's method without each of its parts, too, which trains it anew.
    """
    from zscr.train.evaluation.ablations import ablations
    from zscr.train.evaluation.dual import DualConfig, linear_dual_encoder

    seen, val = _features(model, "seen"), _features(model, "val")
    refit, shrinks = bool(model.about["refitted"]), _tried(model, "text_shrink", SHRINKS)
    penalties = _tried(model, "csem_penalty", PENALTIES)
    widths = _tried(model, "csem_width", WIDTHS)
    yield random_ranking()
    yield class_mean_oracle(seen)
    yield ridge(seen, val, refit=refit)
    yield ridge(seen, val, shrinks=shrinks, refit=refit)
    yield eszsl(seen, val, shrinks=shrinks, refit=refit)
    yield kernel_ridge(seen, val, shrinks=shrinks, penalties=penalties, widths=widths, refit=refit)
    dual = DualConfig(shrinks=(0.0, shrinks[0]))
    yield linear_dual_encoder(seen, val, int(model.about["seed"]), dual, refit=refit)
    if parts:
        yield from ablations(model.about, seen, val, refit=refit)


def _tried(model: Model, setting: str, usual: Sequence[float]) -> Sequence[float]:
    """Return the candidates of a control: first what the run's settings fix, as a recipe does."""
    fixed = float(model.about["config"].get(setting, 0))
    return tuple(dict.fromkeys((fixed, *usual))) if fixed else usual


def _colour_controls(model: Model, histograms: Histograms) -> Iterator[Control]:
    seen, val = _features(model, "seen"), _features(model, "val")
    if all(map(histograms.cover, (seen, val, _features(model, "unseen")))):
        yield colour_ridge(histograms, seen, val, refit=bool(model.about["refitted"]))


def _features(model: Model, split: str) -> Split[Array]:
    assert model.features is not None, "a bundle has no features"
    return model.features(split)


def _fitted(model: Model) -> Split[Array]:
    """Return the classes that the run was fitted on."""
    seen = _features(model, "seen")
    return joined(seen, _features(model, "val")) if model.about["refitted"] else seen


def _image_paths(collection: Collection) -> dict[str, Path]:
    return {item.id: collection.folder / item.image for item in collection.items if item.image}
