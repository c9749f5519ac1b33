"""Views of images: known answers, and that they are decided by the pixels alone."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from zscr.errors import InputError
from zscr.infer.inputs.image import FIELDS, ImageInput
from zscr.infer.inputs.views import VIEWS

HOW = {"image_size": 64, "resample": "bilinear", "rescale": 1, "mean": [0] * 3, "std": [1] * 3}


def drawing(side=256):
    image = Image.new("RGB", (side, side), "white")
    ImageDraw.Draw(image).rectangle((60, 70, 180, 150), outline="black", width=3)
    return image


def image_input(**how):
    spec = {"field": "image", "kind": "image", "names": ["x"], "preprocess": HOW | how}
    FIELDS(spec, "")
    return ImageInput(spec, None)


def pixels(image, **how):
    return image_input(**how).prepare([image]).feeds["x"][0]


def test_a_flipped_image_is_mirrored():
    """Nothing else about it changes, and it is turned upright before."""
    image = Image.effect_noise((64, 64), 90).convert("RGB")
    np.testing.assert_array_equal(pixels(image, view="flipped"), pixels(image)[:, :, ::-1])


def test_affine_views_are_decided_by_the_pixels_and_the_number():
    """The same drawing gives the same view; another number, or one pixel, another, on white."""
    views = [pixels(drawing(), view=name) for name in ("affine-1", "affine-1", "affine-2")]
    np.testing.assert_array_equal(views[0], views[1])
    assert np.abs(views[0] - views[2]).max() > 100
    widths = set()
    for shade in range(235, 255):
        image = drawing()
        image.putpixel((0, 0), (shade,) * 3)
        moved = np.asarray(VIEWS["affine-1"](image).convert("L"))
        assert moved[[0, -1]].min() > 230
        widths.add(int((moved.min(0) < 128).sum()))
    assert len(widths) > 8


def test_affine_views_move_a_little():
    """The centre of what is drawn moves by at most 20 pixels of 256, and not by much less."""
    places = []
    for n in range(40):
        image = Image.new("RGB", (256, 256), "white")
        ImageDraw.Draw(image).rectangle((124 - n % 3, 124, 132, 132 + n), fill="black")
        before, after = (
            np.argwhere(np.asarray(one.convert("L")) < 128).mean(0)
            for one in (image, VIEWS["affine-2"](image))
        )
        places.append(np.abs(after - before).max())
    assert 12 < max(places) < 26


def test_edges_are_dark_strokes_on_white():
    """The outline of a disc becomes a ring, a weaker one beside it nothing; a plain image white."""
    image = Image.new("RGB", (512, 512), (90, 140, 60))
    assert np.asarray(VIEWS["edges"](image)).min() == 255
    ImageDraw.Draw(image).ellipse((112, 112, 400, 400), fill=(230, 220, 230))
    ImageDraw.Draw(image).ellipse((20, 20, 80, 80), fill=(165, 195, 135))
    edges = np.asarray(VIEWS["edges"](image).convert("L"))
    assert edges.shape == (256, 256)
    assert {*np.unique(edges)} == {0, 255}
    rows, columns = np.nonzero(edges == 0)
    radii = np.hypot(rows - 128, columns - 128)
    assert 68 < radii.min() < radii.max() < 76
    assert len({*np.round(np.arctan2(rows - 128, columns - 128), 1)}) == 63


def test_edges_of_a_photo_are_prepared_as_a_drawing():
    """The edges come first: what is in a photo is no paper; they stand on a square."""
    photo = Image.new("RGB", (400, 200), (40, 90, 40))
    ImageDraw.Draw(photo).ellipse((150, 50, 250, 150), fill=(230, 220, 230))
    seen = pixels(photo, view="edges", strokes=True)
    assert seen[:, [0, -1]].min() == 255
    rows, columns = np.nonzero(seen[0] < 128)
    assert 14 <= np.ptp(rows) <= 18
    assert 14 <= np.ptp(columns) <= 18
    with pytest.raises(InputError, match="shows no drawing"):
        pixels(Image.new("RGB", (64, 64), (40, 90, 40)), view="edges", strokes=True)


def test_unknown_views_are_refused():
    """A manifest of a later version is not fed with the plain image."""
    with pytest.raises(ValueError, match="view is 'upside-down', not one of flipped, affine-1"):
        image_input(view="upside-down")
