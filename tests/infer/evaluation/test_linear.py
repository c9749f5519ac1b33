"""Ridge and ESZSL against their definitions, and what they may not look at."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from zscr.data.relevance import ByLabel
from zscr.errors import InputError
from zscr.infer.evaluation.controls.linear import PENALTIES, eszsl, ridge
from zscr.infer.evaluation.report import evaluate_retrieval
from zscr.infer.features.table import group_names, joined


@pytest.fixture(scope="session")
def noisy_splits(split_of):
    """Return a function for splits so noisy that every change of the map changes a figure."""

    def make(text_dim=6, image_dim=15, number=20):
        rng, splits = np.random.default_rng(7), {}
        linear = rng.standard_normal((text_dim, image_dim)) / text_dim**0.5
        for name in ("seen", "val", "unseen"):
            sizes = rng.integers(1, 7, number)
            classes = [f"{name}{n}" for n in np.arange(number).repeat(sizes)]
            texts = rng.standard_normal((2 * number, text_dim)) + 1
            noise = rng.standard_normal((sizes.sum(), image_dim))
            images = 2.5 * texts[::2].repeat(sizes, 0) @ linear + 3 * noise
            splits[name] = split_of(images, classes, texts, 2)
        return splits

    return make


def with_images(split, rows):
    return replace(split, tables={**split.tables, "image": replace(split["image"], rows=rows)})


@pytest.fixture(scope="module")
def noisy(noisy_splits):
    return noisy_splits()


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def scaled(seen):
    """X, S and Y as their definitions have them, and how to scale other rows."""
    texts, images = seen["text"].rows, seen["image"].rows
    owner, classes = np.array(group_names(seen, "text")), seen.groups
    means = np.array([np.float64(texts[owner == c]).mean(0) for c in classes])
    text_mean, mean = means.mean(0), np.float64(images).mean(0)
    text_scale = np.linalg.norm(means - text_mean, axis=1).mean()
    scale = np.linalg.norm(images - mean, axis=1).mean()
    right = np.equal.outer(group_names(seen, "image"), classes)
    return (
        lambda rows: (rows - mean) / scale,
        lambda rows: (rows - text_mean) / text_scale,
        (means - text_mean) / text_scale,
        right,
    )


def ridge_by_least_squares(seen, penalty):
    """The map from one least-squares problem: the penalty as further rows of zeros."""
    image, text, means, right = scaled(seen)
    inputs, targets = image(seen["image"].rows), right @ means
    width = inputs.shape[1]
    system = np.vstack([inputs, np.sqrt(penalty) * np.eye(width)])
    answers = np.vstack([targets, np.zeros((width, targets.shape[1]))])
    return image, text, np.linalg.lstsq(system, answers, rcond=None)[0]


def eszsl_by_inverses(seen, gamma, penalty):
    """Equation 5 of the paper, word by word (its X and S are transposed)."""
    image, text, means, right = scaled(seen)
    inputs, signs = image(seen["image"].rows), np.where(right, 1.0, -1.0)
    left = np.linalg.inv(inputs.T @ inputs + gamma * np.eye(inputs.shape[1]))
    outer = np.linalg.inv(means.T @ means + penalty * np.eye(means.shape[1]))
    return image, text, left @ inputs.T @ signs @ means @ outer


def report_of(fitted, split):
    image, text, weights = fitted
    asked = group_names(split, "text")
    return evaluate_retrieval(
        unit(text(split["text"].rows)),
        unit(image(split["image"].rows) @ weights),
        ByLabel(asked, group_names(split, "image")),
        asked,
    )


@pytest.mark.parametrize("judged_on", ["unseen", "val"])
def test_ridge_equals_least_squares(noisy, judged_on):
    """With the penalty that is best on the validation classes, inside the grid."""
    fitted = {p: ridge_by_least_squares(noisy["seen"], p) for p in PENALTIES}
    quality = {p: report_of(f, noisy["val"]).metrics["mAP"] for p, f in fitted.items()}
    best = max(PENALTIES, key=quality.__getitem__)
    assert PENALTIES[0] < best < PENALTIES[-1]
    control = ridge(noisy["seen"], noisy["val"])
    expected = {"lambda": best, "lambda_at_edge": False, "val_mAP": quality[best]}
    assert control.chosen == pytest.approx(expected)
    found = control.judge(noisy[judged_on], judged_on).report()
    assert found.metrics == pytest.approx(report_of(fitted[best], noisy[judged_on]).metrics)
    assert (found.queries, found.gallery) == (40, len(noisy[judged_on]["image"].rows))


def test_eszsl_equals_its_equation(noisy):
    """Both penalties chosen together; the scores are the equation's, but for the image's norm."""
    seen, val, unseen = noisy["seen"], noisy["val"], noisy["unseen"]
    fitted = {pair: eszsl_by_inverses(seen, *pair) for pair in product(PENALTIES, PENALTIES)}
    quality = {pair: report_of(f, val).metrics["mAP"] for pair, f in fitted.items()}
    control = eszsl(seen, val)
    pair = control.chosen["gamma"], control.chosen["lambda"]
    assert control.chosen["val_mAP"] == pytest.approx(max(quality.values()))
    assert quality[pair] == pytest.approx(max(quality.values()))
    queries, gallery = control.embed(unseen)
    image, text, weights = fitted[pair]
    expected = unit(image(unseen["image"].rows) @ weights) @ text(unseen["text"].rows).T
    ours = gallery @ queries.T
    lengths = np.linalg.norm(expected, axis=0) / np.linalg.norm(ours, axis=0)
    np.testing.assert_allclose(ours * lengths, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("fit", "by_hand", "names"),
    [(ridge, ridge_by_least_squares, ["lambda"]), (eszsl, eszsl_by_inverses, ["gamma", "lambda"])],
)
def test_a_refit_is_the_chosen_map_on_both_splits(noisy, fit, by_hand, names):
    """The penalties are those that the validation classes chose, before they are fitted on."""
    seen, val, unseen = noisy["seen"], noisy["val"], noisy["unseen"]
    alone, refitted = (fit(seen, val, refit=wish) for wish in (False, True))
    assert refitted.chosen == alone.chosen
    hand = by_hand(joined(seen, val), *(refitted.chosen[name] for name in names))
    found = refitted.judge(unseen, "unseen").report().metrics
    assert found != alone.judge(unseen, "unseen").report().metrics
    assert found["mAP"] == pytest.approx(report_of(hand, unseen).metrics["mAP"], abs=1e-6)


def test_eszsl_by_hand(split_of):
    """Two classes, two numbers: centred and scaled, X and S are both (u, -u), u = (1, -1) / √2.

    So X'X = S'S = 2uu' and V is a multiple of uu': an image of class a stands at +1 for a's text
    and at -1 for b's, whatever the penalties are.
    """
    eye = np.eye(2)
    split = split_of(eye, ["a", "b"], eye)
    queries, gallery = eszsl(split, split).embed(split)
    np.testing.assert_allclose(gallery @ queries.T, [[1, -1], [-1, 1]], atol=1e-6)


@pytest.mark.parametrize("fit", [ridge, eszsl])
def test_long_texts_are_solved_on_the_smaller_side(noisy_splits, fit):
    """3,000 dimensions for 20 classes: embeddings have 19, and rank as those of 3,000 do."""
    splits = noisy_splits(text_dim=3000, image_dim=40)
    control = fit(splits["seen"], splits["val"])
    judged = control.judge(splits["unseen"], "unseen")
    assert judged.queries.shape[1] == judged.gallery.shape[1] == 19
    if fit is ridge:
        fitted = ridge_by_least_squares(splits["seen"], control.chosen["lambda"])
        expected = report_of(fitted, splits["unseen"]).metrics
        assert judged.report().metrics == pytest.approx(expected)


@pytest.mark.parametrize("fit", [ridge, eszsl])
def test_more_image_dimensions_than_images(noisy_splits, fit):
    """The other smaller side: padding the features with zeros changes nothing."""
    splits = noisy_splits()
    wide = {
        name: with_images(split, np.pad(split["image"].rows, ((0, 0), (0, 400))))
        for name, split in splits.items()
    }
    controls = [fit(s["seen"], s["val"]) for s in (splits, wide)]
    reports = [
        control.judge(s["unseen"], "unseen").report()
        for control, s in zip(controls, (splits, wide), strict=True)
    ]
    assert controls[0].chosen == pytest.approx(controls[1].chosen)
    assert reports[0].metrics == pytest.approx(reports[1].metrics)


@pytest.mark.parametrize(("fit", "name"), [(ridge, "lambda"), (eszsl, "gamma"), (eszsl, "lambda")])
def test_the_edge_of_the_grid_is_reported(noisy, fit, name):
    """The best penalty is not at the edge, until the grid is cut there, at either end."""
    best = fit(noisy["seen"], noisy["val"]).chosen
    assert not best[f"{name}_at_edge"]
    for cut in (
        tuple(p for p in PENALTIES if p >= best[name]),
        tuple(p for p in PENALTIES if p <= best[name]),
    ):
        found = fit(noisy["seen"], noisy["val"], penalties=cut).chosen
        assert found[f"{name}_at_edge"] == (found[name] in (cut[0], cut[-1]))
        assert found[f"{name}_at_edge"] or fit is eszsl


def test_linear_controls_find_what_is_linear(split_of):
    """Images are a noisy map of texts here: unseen classes are found far above chance."""
    rng = np.random.default_rng(7)
    texts = rng.standard_normal((20, 8), np.float32)
    texts[1::2] = texts[::2] + 0.1 * texts[1::2]  # a class's two texts say nearly the same
    images = np.maximum(texts[::2].repeat(4, 0) @ rng.standard_normal((8, 12), np.float32), 0)
    images += 0.1 * rng.random(images.shape, np.float32)
    splits = {
        name: split_of(
            images[4 * a : 4 * b],
            [f"c{n}" for n in range(a, b) for _ in "four"],
            texts[2 * a : 2 * b],
            2,
        )
        for name, a, b in (("seen", 0, 6), ("val", 6, 8), ("unseen", 8, 10))
    }
    for fit in (ridge, eszsl):
        report = fit(splits["seen"], splits["val"]).judge(splits["unseen"], "unseen").report()
        assert report.chance == 0.5
        assert report.metrics["mAP"] > 0.9


@pytest.mark.parametrize("fit", [ridge, eszsl])
def test_features_that_do_not_differ_are_refused(noisy, split_of, fit):
    """Constant images, and texts of a single class, say nothing about other classes."""
    seen, val = noisy["seen"], noisy["val"]
    same = with_images(seen, np.ones_like(seen["image"].rows))
    with pytest.raises(InputError, match=r"all \d+ images of the seen classes are the same"):
        fit(same, val)
    with pytest.raises(InputError, match="all 1 class mean texts .* at least 2 classes"):
        fit(split_of(np.eye(3), ["a"] * 3, np.ones((1, 6))), val)
