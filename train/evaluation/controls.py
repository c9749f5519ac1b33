"""Every control of `zscr evaluate --controls`, on the features that the run was trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from zscr.data.collection import Collection
from zscr.infer.evaluation.controls.colour import Histograms, colour_ridge, image_neighbours
from zscr.infer.evaluation.controls.control import Control, class_mean_oracle, random_ranking
from zscr.infer.evaluation.controls.linear import eszsl, ridge
from zscr.infer.evaluation.generalised import evaluate
from zscr.infer.features.split import SplitFeatures
from zscr.train.evaluation.dual import linear_dual_encoder

Splits = Mapping[str, SplitFeatures]


def control_figures(
    collection: Collection, splits: Splits, judged_on: Sequence[str], seed: int
) -> dict[str, Any]:
    """Return each control's figures, with what was chosen on the validation classes.

    Args:
        collection: its images are the colour controls'; without them there are none.
        splits: `seen` and `val`, and those judged on.
        judged_on: the split judged on, and `seen` for generalised figures.
        seed: of the dual encoder.
    """
    histograms = Histograms(collection)
    figures = {}
    for control in _controls(histograms, splits, seed):
        found = evaluate(*(control.judge(splits[name]) for name in judged_on))
        figures[control.name] = {**control.chosen, **found.to_json()}
    if histograms.cover(splits[judged_on[0]]):
        neighbours = image_neighbours(histograms(splits[judged_on[0]]))
        figures["colour histogram, image to image"] = neighbours
    return figures


def _controls(histograms: Histograms, splits: Splits, seed: int) -> Iterator[Control]:
    seen, val = splits["seen"], splits["val"]
    yield random_ranking()
    yield class_mean_oracle(seen)
    yield ridge(seen, val)
    yield eszsl(seen, val)
    yield linear_dual_encoder(seen, val, seed)
    if all(map(histograms.cover, splits.values())):
        yield colour_ridge(histograms, seen, val)
