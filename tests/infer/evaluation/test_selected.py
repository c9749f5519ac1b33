"""How a control is chosen on the validation classes, and fitted again on both kinds."""

from __future__ import annotations

import numpy as np
import pytest

from zscr.infer.evaluation.controls.selected import at_edge, selected


@pytest.fixture(scope="module")
def splits(split_of):
    """Two classes a split, with an image and a text each."""
    return {name: split_of(np.eye(2), [f"{name} a", f"{name} b"]) for name in ("seen", "val")}


def fit(features):
    """Fit nothing: `wrong` takes each class for the other; rows have a number a class."""

    def make(values):
        rows = np.eye(2, len(features.groups), dtype=np.float32)
        return lambda split: (rows, rows[::-1] if values["wrong"] else rows)

    return make


@pytest.mark.parametrize(("margin", "taken"), [(0.4, 0.0), (0.6, 1.0)])
def test_the_first_values_stay_unless_they_are_beaten_by_the_margin(splits, margin, taken):
    """Wrong, each query finds its image second: mAP 1/2, which is 1/2 less than right."""
    control = selected("x", *splits.values(), {"wrong": (1.0, 0.0)}, fit, margin=margin)
    quality = 0.5 if taken else 1.0
    assert control.chosen == {"val_mAP": quality, "wrong": taken, "wrong_at_edge": True}
    assert control.judge(splits["val"], "val").figure("mAP") == quality


@pytest.mark.parametrize(("refit", "classes"), [(False, 2), (True, 4)])
def test_a_refit_fits_the_choice_on_both_splits(splits, refit, classes):
    """The values are those chosen by fitting on the seen classes alone."""
    control = selected("x", *splits.values(), {"wrong": (1.0, 0.0)}, fit, refit=refit)
    queries, gallery = control.embed(splits["val"])
    np.testing.assert_array_equal(queries, np.eye(2, classes))
    np.testing.assert_array_equal(gallery, np.eye(2, classes))
    assert control.chosen["val_mAP"] == 1.0


def test_the_edge_of_a_grid_in_any_order():
    """Its least and its greatest value; a single value was not chosen."""
    assert [at_edge(value, (0.3, 1.0, 0.1)) for value in (0.3, 1.0, 0.1)] == [False, True, True]
    assert not at_edge(0.3, (0.3,))
