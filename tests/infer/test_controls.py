"""The controls that a model must beat, against other ways to compute them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from zscr.data.collection import read_collection
from zscr.errors import InputError
from zscr.infer.controls import (
    LAMBDAS,
    control_figures,
    picture_neighbours,
    ridge,
    with_histograms,
)
from zscr.infer.encoder import load_encoder
from zscr.infer.report import evaluate_retrieval
from zscr.infer.split import SplitFeatures, load_split


def split_of(images, classes, texts=None, texts_each=1):
    """A split of given image rows, a class after the other, with as many texts each."""
    names = tuple(dict.fromkeys(classes))
    starts = np.array([0, *np.cumsum([classes.count(name) for name in names])])
    texts = np.eye(len(names), 3) if texts is None else texts
    text_starts = texts_each * np.arange(len(names) + 1)
    ids = tuple(map(str, range(len(classes))))
    rows = np.float32(images), ids, starts, np.float32(texts), text_starts
    return SplitFeatures(names, *rows)


@pytest.fixture(scope="module")
def noisy():
    """Splits of 20 classes with so much noise that every change of the map changes a figure."""
    rng, splits = np.random.default_rng(7), {}
    linear = rng.standard_normal((6, 15))
    for name in ("seen", "val", "unseen"):
        sizes = rng.integers(1, 7, 20)
        classes = [f"{name}{number}" for number in np.arange(20).repeat(sizes)]
        texts = rng.standard_normal((40, 6)) + 1
        images = texts[::2].repeat(sizes, 0) @ linear + 3 * rng.standard_normal((sizes.sum(), 15))
        splits[name] = split_of(images, classes, texts, texts_each=2)
    return splits


@pytest.fixture(scope="module")
def published(vectors):
    collection = read_collection(vectors)
    return {name: load_split(collection, name, None, None) for name in ("seen", "val", "unseen")}


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def ridge_by_least_squares(splits, judged_on, penalty):
    """The same map from one least-squares problem: the penalty as further rows of zeros."""
    seen = splits["seen"]
    means = {c: seen.texts[np.array(seen.text_classes) == c].mean(0) for c in seen.classes}
    text_mean = np.mean([*means.values()], axis=0)
    mean = seen.images.mean(0)
    scale = np.linalg.norm(seen.images - mean, axis=1).mean()
    inputs = (seen.images - mean) / scale
    targets = np.array([means[c] for c in seen.image_classes]) - text_mean
    width = inputs.shape[1]
    system = np.vstack([inputs, np.sqrt(penalty) * np.eye(width)])
    right = np.vstack([targets, np.zeros((width, targets.shape[1]))])
    weights = np.linalg.lstsq(system, right, rcond=None)[0]
    judged = splits[judged_on]
    return evaluate_retrieval(
        unit(judged.texts - text_mean),
        unit((judged.images - mean) / scale @ weights),
        query_classes=judged.text_classes,
        gallery_classes=judged.image_classes,
    )


@pytest.mark.parametrize("judged_on", ["unseen", "val"])
def test_ridge_equals_least_squares(noisy, judged_on):
    """With the penalty that is best on the validation classes."""
    quality = {p: ridge_by_least_squares(noisy, "val", p).metrics["mAP"] for p in LAMBDAS}
    best = max(LAMBDAS, key=quality.__getitem__)
    assert LAMBDAS[0] < best < LAMBDAS[-1]
    found = ridge(noisy, judged_on)
    assert found["lambda"] == best
    expected = ridge_by_least_squares(noisy, judged_on, best).to_json()
    assert found["metrics"] == pytest.approx(expected["metrics"])
    assert (found["queries"], found["gallery"]) == (40, len(noisy[judged_on].images))


def test_ridge_finds_what_is_linear(published):
    """Images are a noisy map of texts there: unseen classes are found far above chance."""
    found = ridge(published)
    assert found["chance"] == 0.5
    assert found["metrics"]["mAP"] > 0.9


def test_ridge_does_not_look_at_the_test_classes(noisy):
    """Whatever the unseen pictures are, the choice and the map stay."""
    other = replace(noisy["unseen"], images=noisy["unseen"].images[::-1])
    swapped = noisy | {"unseen": other}
    assert ridge(swapped, "val") == ridge(noisy, "val")
    assert ridge(swapped)["lambda"] == ridge(noisy)["lambda"]
    assert ridge(swapped)["metrics"] != ridge(noisy)["metrics"]


def test_pictures_do_not_find_themselves():
    """Known answers: each picture's nearest other one is of the other class."""
    angles = np.radians([0, 40, 5, 45])
    split = split_of(np.stack([np.cos(angles), np.sin(angles)], 1), ["a", "a", "b", "b"])
    assert picture_neighbours(split) == pytest.approx(
        {"Prec@1": 0.0, "Prec@10": 1 / 3, "mAP": (1 / 2 + 1 / 3 + 1 / 3 + 1 / 2) / 4, "excluded": 0}
    )


def test_twins_of_a_picture_are_found():
    """Only the picture itself is left out, not another that looks the same."""
    split = split_of([[1, 0], [1, 0], [0, 1], [0, 1]], ["a", "a", "b", "b"])
    assert picture_neighbours(split)["Prec@1"] == 1.0


def test_pictures_alone_in_their_class_are_counted():
    """There is nothing right to find for them; without any other there is no figure."""
    split = split_of([[1, 0], [1, 0.1], [0, 1]], ["a", "a", "b"])
    found = picture_neighbours(split)
    assert (found["excluded"], found["Prec@1"], found["mAP"]) == (1, 1.0, 1.0)
    with pytest.raises(InputError, match="2 of 2 queries have no relevant item"):
        picture_neighbours(split_of([[1, 0], [0, 1]], ["a", "b"]))


def test_histograms_tell_colours_apart(shapes, tiny_image, tiny_text, tmp_path):
    """Unit vectors of 192 bins, in the split's order: same colours near, others far."""
    collection = read_collection(shapes)
    encoders = load_encoder(tiny_image), load_encoder(tiny_text)
    split = load_split(collection, "seen", *encoders, tmp_path)
    rows = with_histograms(collection, split).images
    assert rows.shape == (24, 192)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    first = np.asarray(Image.open(shapes / f"{split.image_ids[0]}.png").convert("HSV"))
    share = (first[..., 1] > 192).mean()  # of the saturated: the red circle itself
    assert rows[0][15] ** 2 == pytest.approx(share, abs=0.03)
    colours = [name.split("-")[0] for name in split.image_classes]
    same = np.equal.outer(colours, colours)
    similar = rows @ rows.T
    assert similar[same].min() > similar[~same].max()


def test_colour_is_a_control_where_there_are_pictures(
    shapes, tiny_image, tiny_text, vectors, tmp_path
):
    """On published vectors there is ridge alone."""
    encoders = load_encoder(tiny_image), load_encoder(tiny_text)
    for path, sides, names in (
        (shapes, encoders, ["colour histogram + ridge", "colour histogram, picture to picture"]),
        (vectors, (None, None), []),
    ):
        collection = read_collection(path)
        splits = {s: load_split(collection, s, *sides, tmp_path) for s in ("seen", "val", "unseen")}
        figures = control_figures(collection, splits)
        assert [*figures] == ["random ranking", "ridge", *names]
