"""Colour histograms as features, and images that look for their like."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from zscr.data.collection import read_collection
from zscr.errors import InputError
from zscr.infer.encoder import load_encoder
from zscr.infer.evaluation.controls.colour import Histograms, colour_ridge, image_neighbours
from zscr.infer.features.split import SplitFeatures, load_split


def split_of(images, classes):
    """A split of given image rows, a class after the other."""
    names = tuple(dict.fromkeys(classes))
    starts = np.array([0, *np.cumsum([classes.count(name) for name in names])])
    ids = tuple(map(str, range(len(classes))))
    texts = np.eye(len(names), dtype=np.float32), np.arange(len(names) + 1)
    return SplitFeatures(names, np.float32(images), ids, starts, *texts)


def test_images_do_not_find_themselves():
    """Known answers: each image's nearest other one is of the other class."""
    angles = np.radians([0, 40, 5, 45])
    split = split_of(np.stack([np.cos(angles), np.sin(angles)], 1), ["a", "a", "b", "b"])
    assert image_neighbours(split) == pytest.approx(
        {"Prec@1": 0.0, "Prec@10": 1 / 3, "mAP": (1 / 2 + 1 / 3 + 1 / 3 + 1 / 2) / 4, "excluded": 0}
    )


def test_twins_of_an_image_are_found():
    """Only the image itself is left out, not another that looks the same."""
    split = split_of([[1, 0], [1, 0], [0, 1], [0, 1]], ["a", "a", "b", "b"])
    assert image_neighbours(split)["Prec@1"] == 1.0


def test_images_alone_in_their_class_are_counted():
    """There is nothing right to find for them; without any other there is no figure."""
    split = split_of([[1, 0], [1, 0.1], [0, 1]], ["a", "a", "b"])
    found = image_neighbours(split)
    assert (found["excluded"], found["Prec@1"], found["mAP"]) == (1, 1.0, 1.0)
    with pytest.raises(InputError, match="2 of 2 images are the only one of their class"):
        image_neighbours(split_of([[1, 0], [0, 1]], ["a", "b"]))


@pytest.fixture
def splits(shapes, tiny_image, tiny_text, tmp_path):
    collection = read_collection(shapes)
    encoders = load_encoder(tiny_image), load_encoder(tiny_text)
    return {n: load_split(collection, n, *encoders, tmp_path) for n in ("seen", "val", "unseen")}


def test_histograms_tell_colours_apart(shapes, splits):
    """Unit vectors of 192 bins, in the split's order: same colours near, others far."""
    rows = Histograms(read_collection(shapes))(splits["seen"]).images
    assert rows.shape == (24, 192)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    first = np.asarray(Image.open(shapes / f"{splits['seen'].image_ids[0]}.png").convert("HSV"))
    share = (first[..., 1] > 192).mean()  # of the saturated: the red circle itself
    assert rows[0][15] ** 2 == pytest.approx(share, abs=0.03)
    colours = [name.split("-")[0] for name in splits["seen"].image_classes]
    same = np.equal.outer(colours, colours)
    similar = rows @ rows.T
    assert similar[same].min() > similar[~same].max()


def test_colour_ridge_sees_colour_alone(shapes, splits):
    """It is fitted and judged on histograms, whatever the encoder's features are."""
    histograms = Histograms(read_collection(shapes))
    control = colour_ridge(histograms, splits["seen"], splits["val"])
    blind = split_of(np.zeros((8, 3)), splits["unseen"].image_classes)
    assert histograms.cover(splits["unseen"])
    assert not histograms.cover(blind), "no item is called 0"
    judged = control.judge(splits["unseen"])
    assert judged.gallery_ids == splits["unseen"].image_ids
    white = judged.gallery @ judged.gallery.T
    assert white.min() > 0.9, "all unseen shapes are white"
