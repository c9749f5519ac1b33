"""Colour histograms as features, and images that look for their like."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

from zscr.errors import InputError
from zscr.infer.evaluation.controls.colour import (
    Histograms,
    colour_ridge,
    histogram,
    image_neighbours,
)

COLOURS = ("red", "green", "blue", "black", "white")


def test_images_do_not_find_themselves(split_of):
    """Known answers: each image's nearest other one is of the other class."""
    angles = np.radians([0, 40, 5, 45])
    split = split_of(np.stack([np.cos(angles), np.sin(angles)], 1), ["a", "a", "b", "b"])
    assert image_neighbours(split) == pytest.approx(
        {"Prec@1": 0.0, "Prec@10": 1 / 3, "mAP": (1 / 2 + 1 / 3 + 1 / 3 + 1 / 2) / 4, "excluded": 0}
    )


def test_twins_of_an_image_are_found(split_of):
    """Only the image itself is left out, not another that looks the same."""
    split = split_of([[1, 0], [1, 0], [0, 1], [0, 1]], ["a", "a", "b", "b"])
    assert image_neighbours(split)["Prec@1"] == 1.0


def test_images_alone_in_their_class_are_counted(split_of):
    """There is nothing right to find for them; without any other there is no figure."""
    split = split_of([[1, 0], [1, 0.1], [0, 1]], ["a", "a", "b"])
    found = image_neighbours(split)
    assert (found["excluded"], found["Prec@1"], found["mAP"]) == (1, 1.0, 1.0)
    with pytest.raises(InputError, match="2 of 2 images are the only one of their class"):
        image_neighbours(split_of([[1, 0], [0, 1]], ["a", "b"]))


@pytest.fixture
def paths(tmp_path):
    """Four circles on grey of each of five colours and two sizes, by item id."""
    found = {}
    for number in range(40):
        image = Image.new("RGB", (32, 32), "grey")
        size = 14 if number % 8 < 4 else 18
        box = (4 + number % 4, 6, 4 + number % 4 + size, 6 + size)
        ImageDraw.Draw(image).ellipse(box, fill=COLOURS[number // 8])
        found[f"i{number}"] = tmp_path / f"{number}.png"
        image.save(found[f"i{number}"])
    return found


@pytest.fixture
def splits(split_of, paths):
    """Six seen classes (red, green, blue), two black ones to choose by, and two white ones."""
    made, texts = {}, np.random.default_rng(1).standard_normal((10, 4))
    for name, first, last in (("seen", 0, 24), ("val", 24, 32), ("unseen", 32, 40)):
        classes = [f"{COLOURS[n // 8]}-{n // 4 % 2}" for n in range(first, last)]
        rows = np.random.default_rng(first).standard_normal((last - first, 3))
        split = split_of(rows, classes, texts[first // 4 : last // 4])
        images = replace(split["image"], ids=tuple(paths)[first:last])
        made[name] = replace(split, tables={**split.tables, "image": images})
    return made


def test_histograms_tell_colours_apart(paths, splits):
    """Unit vectors of 192 bins, in the split's order: same colours near, others far."""
    split = Histograms(paths)(splits["seen"])
    rows = split["image"].rows
    assert rows.shape == (24, 192)
    assert split["text"] is splits["seen"]["text"]
    assert split["image"].ids == tuple(paths)[:24]
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    first = np.asarray(Image.open(paths["i0"]).convert("HSV"))
    share = (first[..., 1] > 192).mean()  # of the saturated: the red circle itself
    assert rows[0][15] ** 2 == pytest.approx(share, abs=0.03)
    colours = [n // 8 for n in range(24)]
    same = np.equal.outer(colours, colours)
    similar = rows @ rows.T
    assert similar[same].min() > similar[~same].max()


def test_a_histogram_by_hand(tmp_path):
    """Half red, half black: two bins of 1/2, of which the roots are kept."""
    image = Image.new("RGB", (64, 64), "red")
    image.paste("black", (0, 0, 64, 32))
    image.save(tmp_path / "halves.png")
    row = histogram(tmp_path / "halves.png")
    assert sorted(np.flatnonzero(row > 0.3)) == [0, 15], "hue 0: no saturation and value, and all"
    np.testing.assert_allclose(row[[0, 15]], 0.5**0.5, atol=0.03)


def test_colour_ridge_sees_colour_alone(split_of, paths, splits):
    """It is fitted and judged on histograms, whatever the encoder's features are."""
    histograms = Histograms(paths)
    control = colour_ridge(histograms, splits["seen"], splits["val"])
    assert histograms.cover(splits["unseen"])
    assert not histograms.cover(split_of(np.zeros((8, 3)), "aaaabbbb")), "no item is called p0"
    judged = control.judge(splits["unseen"], "unseen")
    assert judged.task.gallery == splits["unseen"]["image"].ids
    white = judged.gallery @ judged.gallery.T
    assert white.min() > 0.9, "all unseen circles are white"
    assert {"lambda", "val_mAP"} <= set(control.chosen)
