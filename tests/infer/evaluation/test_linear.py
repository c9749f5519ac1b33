"""Ridge and ESZSL against their definitions, and what they may not look at."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from zscr.data.collection import read_collection
from zscr.errors import InputError
from zscr.infer.evaluation.controls import linear
from zscr.infer.evaluation.controls.linear import PENALTIES, eszsl, ridge
from zscr.infer.evaluation.report import evaluate_retrieval
from zscr.infer.features.split import SplitFeatures, load_split


def split_of(images, classes, texts, texts_each=1):
    """A split of given image rows, a class after the other, with as many texts each."""
    names = tuple(dict.fromkeys(classes))
    starts = np.array([0, *np.cumsum([classes.count(name) for name in names])])
    text_starts = texts_each * np.arange(len(names) + 1)
    ids = tuple(map(str, range(len(classes))))
    return SplitFeatures(names, np.float32(images), ids, starts, np.float32(texts), text_starts)


def noisy_splits(text_dim=6, image_dim=15, number=20):
    """Splits with so much noise that every change of the map changes a figure."""
    rng, splits = np.random.default_rng(7), {}
    linear = rng.standard_normal((text_dim, image_dim)) / text_dim**0.5
    for name in ("seen", "val", "unseen"):
        sizes = rng.integers(1, 7, number)
        classes = [f"{name}{n}" for n in np.arange(number).repeat(sizes)]
        texts = rng.standard_normal((2 * number, text_dim)) + 1
        noise = rng.standard_normal((sizes.sum(), image_dim))
        images = 2.5 * texts[::2].repeat(sizes, 0) @ linear + 3 * noise
        splits[name] = split_of(images, classes, texts, texts_each=2)
    return splits


@pytest.fixture(scope="module")
def noisy():
    return noisy_splits()


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def scaled(seen):
    """X, S and Y as their definitions have them, and how to scale other rows."""
    means = np.array(
        [np.float64(seen.texts[np.array(seen.text_classes) == c]).mean(0) for c in seen.classes]
    )
    text_mean, mean = means.mean(0), np.float64(seen.images).mean(0)
    text_scale = np.linalg.norm(means - text_mean, axis=1).mean()
    scale = np.linalg.norm(seen.images - mean, axis=1).mean()
    right = np.equal.outer(seen.image_classes, seen.classes)
    return (
        lambda rows: (rows - mean) / scale,
        lambda rows: (rows - text_mean) / text_scale,
        (means - text_mean) / text_scale,
        right,
    )


def ridge_by_least_squares(seen, penalty):
    """The map from one least-squares problem: the penalty as further rows of zeros."""
    image, text, means, right = scaled(seen)
    inputs, targets = image(seen.images), right @ means
    width = inputs.shape[1]
    system = np.vstack([inputs, np.sqrt(penalty) * np.eye(width)])
    answers = np.vstack([targets, np.zeros((width, targets.shape[1]))])
    return image, text, np.linalg.lstsq(system, answers, rcond=None)[0]


def eszsl_by_inverses(seen, gamma, penalty):
    """Equation 5 of the paper, word by word (its X and S are transposed)."""
    image, text, means, right = scaled(seen)
    inputs, signs = image(seen.images), np.where(right, 1.0, -1.0)
    left = np.linalg.inv(inputs.T @ inputs + gamma * np.eye(inputs.shape[1]))
    outer = np.linalg.inv(means.T @ means + penalty * np.eye(means.shape[1]))
    return image, text, left @ inputs.T @ signs @ means @ outer


def report_of(fitted, split):
    image, text, weights = fitted
    return evaluate_retrieval(
        unit(text(split.texts)),
        unit(image(split.images) @ weights),
        query_classes=split.text_classes,
        gallery_classes=split.image_classes,
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
    found = control.judge(noisy[judged_on]).report()
    assert found.metrics == pytest.approx(report_of(fitted[best], noisy[judged_on]).metrics)
    assert (found.queries, found.gallery) == (40, len(noisy[judged_on].images))


def test_eszsl_equals_its_equation(noisy):
    """Both penalties chosen together; the scores are the equation's, but for the image's norm."""
    seen, val, unseen = noisy["seen"], noisy["val"], noisy["unseen"]
    fitted = {pair: eszsl_by_inverses(seen, *pair) for pair in product(PENALTIES, PENALTIES)}
    quality = {pair: report_of(f, val).metrics["mAP"] for pair, f in fitted.items()}
    control = eszsl(seen, val)
    pair = control.chosen["gamma"], control.chosen["lambda"]
    assert control.chosen["val_mAP"] == pytest.approx(max(quality.values()))
    assert quality[pair] == pytest.approx(max(quality.values()))
    judged = control.judge(unseen)
    image, text, weights = fitted[pair]
    expected = unit(image(unseen.images) @ weights) @ text(unseen.texts).T
    ours = judged.gallery @ judged.queries.T
    lengths = np.linalg.norm(expected, axis=0) / np.linalg.norm(ours, axis=0)
    np.testing.assert_allclose(ours * lengths, expected, atol=1e-5)


def test_eszsl_by_hand():
    """Two classes, two numbers: centred and scaled, X and S are both (u, -u), u = (1, -1) / √2.

    So X'X = S'S = 2uu' and V is a multiple of uu': an image of class a stands at +1 for a's text
    and at -1 for b's, whatever the penalties are.
    """
    eye = np.eye(2)
    split = split_of(eye, ["a", "b"], eye)
    judged = eszsl(split, split).judge(split)
    np.testing.assert_allclose(judged.gallery @ judged.queries.T, [[1, -1], [-1, 1]], atol=1e-6)


@pytest.mark.parametrize("fit", [ridge, eszsl])
def test_long_texts_are_solved_on_the_smaller_side(fit):
    """3,000 dimensions for 20 classes: embeddings have 19, and rank as those of 3,000 do."""
    splits = noisy_splits(text_dim=3000, image_dim=40)
    control = fit(splits["seen"], splits["val"])
    judged = control.judge(splits["unseen"])
    assert judged.queries.shape[1] == judged.gallery.shape[1] == 19
    if fit is ridge:
        fitted = ridge_by_least_squares(splits["seen"], control.chosen["lambda"])
        expected = report_of(fitted, splits["unseen"]).metrics
        assert judged.report().metrics == pytest.approx(expected)


@pytest.mark.parametrize("fit", [ridge, eszsl])
def test_more_image_dimensions_than_images(fit):
    """The other smaller side: padding the features with zeros changes nothing."""
    splits = noisy_splits()
    wide = {
        name: replace(s, images=np.pad(s.images, ((0, 0), (0, 400)))) for name, s in splits.items()
    }
    controls = [fit(s["seen"], s["val"]) for s in (splits, wide)]
    reports = [c.judge(s["unseen"]).report() for c, s in zip(controls, (splits, wide), strict=True)]
    assert controls[0].chosen == pytest.approx(controls[1].chosen)
    assert reports[0].metrics == pytest.approx(reports[1].metrics)


@pytest.mark.parametrize(("fit", "name"), [(ridge, "lambda"), (eszsl, "gamma")])
def test_the_edge_of_the_grid_is_reported(noisy, fit, name, monkeypatch):
    """The best penalty is not at the edge, until the grid is cut there."""
    best = fit(noisy["seen"], noisy["val"]).chosen
    assert not best[f"{name}_at_edge"]
    monkeypatch.setattr(linear, "PENALTIES", tuple(p for p in PENALTIES if p >= best[name]))
    cut = fit(noisy["seen"], noisy["val"]).chosen
    assert (cut[name], cut[f"{name}_at_edge"]) == (best[name], True)


def test_linear_controls_find_what_is_linear(vectors):
    """Images are a noisy map of texts there: unseen classes are found far above chance."""
    collection = read_collection(vectors)
    splits = {name: load_split(collection, name, None, None) for name in ("seen", "val", "unseen")}
    for fit in (ridge, eszsl):
        report = fit(splits["seen"], splits["val"]).judge(splits["unseen"]).report()
        assert report.chance == 0.5
        assert report.metrics["mAP"] > 0.9


@pytest.mark.parametrize("fit", [ridge, eszsl])
def test_features_that_do_not_differ_are_refused(noisy, fit):
    """Constant images, and texts of a single class, say nothing about other classes."""
    seen, val = noisy["seen"], noisy["val"]
    same = replace(seen, images=np.ones_like(seen.images))
    with pytest.raises(InputError, match=r"all \d+ images of the seen classes are the same"):
        fit(same, val)
    with pytest.raises(InputError, match="all 1 class mean texts .* at least 2 classes"):
        fit(split_of(np.eye(3), ["a"] * 3, np.ones((1, 6))), val)
