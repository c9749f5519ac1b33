"""Sketches as a model sees them: what is done to them, what is left alone, what is refused."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageOps

from zscr.data.images import open_image
from zscr.errors import InputError
from zscr.infer.inputs.image import FIELDS, ImageInput
from zscr.infer.inputs.paper import under_layer
from zscr.infer.inputs.strokes import CUT, EVENED, FAINT, TURNED, prepared

HOW = {"image_size": 64, "resample": "bilinear", "rescale": 1, "mean": [0] * 3, "std": [1] * 3}


def drawing(seed=0, side=256, pen=3):
    """Return a few curved strokes in the middle of a white sheet."""
    random, image = np.random.default_rng(seed), Image.new("RGB", (side, side), "white")
    for _ in range(4):
        points = random.uniform(0.15, 0.85, (6, 2)) * side
        ImageDraw.Draw(image).line([*map(tuple, points)], "black", pen, joint="curve")
    return image


def likeness(one, other):
    """Return how two drawings correlate, seen at 64 pixels."""
    sizes = (np.asarray(each.convert("L").resize((64, 64)), float).ravel() for each in (one, other))
    return float(np.corrcoef(*sizes)[0, 1])


def round_sheet(image):
    """Return an image with clear round corners."""
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, *image.size), image.width // 6, fill=255)
    found = image.convert("RGBA")
    found.putalpha(mask)
    return found


def layer(image, colour):
    """Return a drawing's strokes in a colour, on nothing."""
    found = Image.new("RGBA", image.size, (*colour, 0))
    found.putalpha(ImageOps.invert(image.convert("L")))
    return found


def levels(image):
    return np.asarray(image, float)


def sheet(values):
    return Image.fromarray(np.rint(np.clip(values, 0, 255)).astype(np.uint8))


def photographed(image, *, lamp=0.15, seed=0):
    """Return a drawing as a photo shows it: lit from one side, darker corners, a warm lamp, noise,
    a little blurred, as JPEG."""
    large = levels(image.resize((900, 900)).filter(ImageFilter.GaussianBlur(1.5))) / 255
    y, x = np.mgrid[-1:1:900j, -1:1:900j]
    light = (0.85 + lamp * x * 0.8 + lamp * y * 0.6 - 0.2 * (x * x + y * y))[..., None]
    noise = np.random.default_rng(seed).normal(0, 5, (900, 900, 1))
    colour = np.array([250, 238, 205])
    file = io.BytesIO()
    sheet((0.15 + 0.85 * large) * light * colour + noise).save(file, "JPEG", quality=80)
    return Image.open(file).convert("RGB")


@pytest.mark.parametrize("side", [28, 200, 1111])
def test_a_clean_drawing_is_left_alone(side):
    """Dark on white stays bit for bit, small or large, with a filled shape or in colour."""
    image = drawing(side=side, pen=max(1, side // 90))
    ImageDraw.Draw(image).ellipse((side // 4, side // 4, side // 2, side // 2), (180, 20, 30))
    found = prepared(image)
    assert found.image is image
    assert found.told == ()


SPOILT = {
    "inverted": (ImageOps.invert, (TURNED,)),
    "coloured paper": (lambda image: sheet(levels(image) / 255 * [240, 225, 150]), (EVENED,)),
    "grey paper": (lambda image: sheet(levels(image) / 255 * 130), (EVENED,)),
    "pencil": (lambda image: sheet(255 - (255 - levels(image)) / 5), (FAINT,)),
    "red on blue": (
        lambda image: sheet([0, 60, 200] + (255 - levels(image)) * [0.8, -0.2, -0.7]),
        (EVENED,),
    ),
    "photographed": (photographed, (EVENED,)),
    "photographed board": (
        lambda image: photographed(ImageOps.invert(image), lamp=0.05),
        (TURNED,),
    ),
}


@pytest.mark.parametrize("kind", SPOILT)
def test_spoilt_drawings_come_out_as_the_clean_one(kind):
    """What was done to the paper, the light and the strokes is undone, and told."""
    spoil, told = SPOILT[kind]
    found = prepared(spoil(drawing()))
    assert likeness(found.image, drawing()) > 0.97
    assert np.asarray(found.image)[[0, -1]].min() == 255
    assert found.told == told


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (90, 160, 90), (230, 230, 200)])
def test_strokes_on_transparency_are_seen(tmp_path, colour):
    """A layer of strokes lies on what shows them: white strokes are not laid on white."""
    layer(drawing(), colour).save(tmp_path / "layer.png")
    image = open_image(tmp_path / "layer.png", under=under_layer)
    assert likeness(prepared(image).image, drawing()) > 0.97


@pytest.mark.parametrize("colour", ["black", "white"])
def test_strokes_that_are_cut_out_of_a_sheet_are_seen(colour):
    """As where the colour of the strokes was declared to be the transparent one."""
    image = Image.new("RGBA", (256, 256), colour)
    image.putalpha(drawing().convert("L"))
    found = prepared(open_image(image, under=under_layer))
    assert likeness(found.image, drawing()) > 0.97


def test_a_sheet_with_clear_corners_is_its_own_paper(tmp_path):
    """Round corners of a white sheet are white too, and no strokes."""
    found = prepared(open_image(round_sheet(drawing()), under=under_layer))
    np.testing.assert_array_equal(np.asarray(found.image), np.asarray(drawing()))


@settings(max_examples=20)
@given(st.integers(0, 999), st.sampled_from(sorted(SPOILT)), st.sampled_from([40, 130, 300]))
@example(0, "photographed", 300)
def test_what_was_prepared_stays_as_it_is(seed, kind, side):
    """Preparing twice is preparing once, whatever was drawn on whatever paper."""
    once = prepared(SPOILT[kind][0](drawing(seed, side, pen=max(2, side // 90)))).image
    assert prepared(once).image is once


@settings(max_examples=20)
@given(
    st.tuples(st.integers(60, 900), st.integers(60, 900)),
    st.tuples(st.floats(0, 1), st.floats(0, 1)),
    st.integers(12, 60),
)
def test_a_small_drawing_is_cut_out_whole(size, place, side):
    """It fills a good part of a square then, and no pixel of it is lost, wherever it stood."""
    small = drawing(side=side, pen=2)
    image = Image.new("RGB", size, "white")
    left, top = (
        round(share * max(0, whole - side)) for share, whole in zip(place, size, strict=True)
    )
    image.paste(small, (left, top))
    found = prepared(image)
    assert found.image.width == found.image.height
    dark = np.asarray(found.image.convert("L")) < 128
    assert dark.sum() == (np.asarray(image.convert("L")) < 128).sum()
    rows, columns = np.nonzero(dark)
    assert max(np.ptp(rows), np.ptp(columns)) + 4 > 0.15 * found.image.width
    assert prepared(found.image).image is found.image


def test_what_is_not_square_is_laid_on_a_square():
    """A wide drawing is neither cropped nor squeezed, and none of its pixels change."""
    image = Image.new("RGB", (300, 100), "white")
    image.paste(drawing(side=100), (200, 0))
    found = prepared(image)
    assert found.image.size == (300, 300)
    assert found.told == ()
    np.testing.assert_array_equal(np.asarray(found.image)[100:200], np.asarray(image))
    assert np.delete(np.asarray(found.image), slice(100, 200), 0).min() == 255


def test_a_tiny_drawing_on_a_photo_is_cut_out_and_evened():
    """Both are told, in the order in which they were done."""
    image = Image.new("RGB", (2000, 1500), "white")
    image.paste(drawing(side=200), (1700, 1200))
    grey = sheet(levels(image) / 255 * 140)
    found = prepared(grey)
    assert found.told == (CUT, EVENED)
    assert found.image.width == found.image.height < 400


def one_pixel(*, light):
    image = Image.new("RGB", (100, 100), "white")
    image.putpixel((40, 60), (0, 0, 0))
    return ImageOps.invert(image) if light else image


@pytest.mark.parametrize(
    ("image", "seen"),
    [
        (Image.new("RGB", (256, 256), "white"), "no stroke stands out"),
        (Image.new("RGB", (256, 256), "black"), "no stroke stands out"),
        (Image.new("RGBA", (256, 256), (0, 0, 0, 0)), "no stroke stands out"),
        (Image.new("RGB", (1, 1), "white"), "no stroke stands out"),
        (Image.new("RGB", (3000, 2), (20, 200, 90)), "no stroke stands out"),
        (Image.new("RGB", (500, 2), "white"), "no stroke stands out"),
        (one_pixel(light=False), "no stroke stands out"),
        (one_pixel(light=True), "no stroke stands out"),
        (photographed(Image.new("RGB", (256, 256), "white")), "no stroke stands out"),
        (round_sheet(Image.new("RGB", (256, 256), "white")), "no stroke stands out"),
        (drawing(side=4, pen=1), "pixels stand out"),
    ],
)
def test_sketches_that_show_nothing_are_refused(image, seen):
    """A sheet of one colour, one pixel, a photo of an empty sheet: one sentence, with the fix."""
    with pytest.raises(InputError, match=f"shows no drawing: .*{seen} from the paper; draw larger"):
        prepared(open_image(image, under=under_layer))


def test_image_inputs_prepare_sketches(tmp_path):
    """Files of any mode go the way of all images; the row says what was done; a blank is named."""
    clean, dark = tmp_path / "clean.png", tmp_path / "dark.tif"
    drawing().save(clean)
    numbers = (levels(ImageOps.invert(drawing().convert("L"))) * 257).astype(np.uint16)
    Image.fromarray(numbers).save(dark)
    spec = {"field": "sketch", "kind": "image", "names": ["x"]}
    spec["preprocess"] = HOW | {"strokes": True}
    FIELDS(spec, "")
    ready = ImageInput(spec, None).prepare([clean, dark])
    np.testing.assert_allclose(*ready.feeds["x"], atol=2)
    assert {row: one.told for row, one in ready.drawings.items()} == {1: (TURNED,)}
    Image.new("P", (50, 50)).save(tmp_path / "blank.gif")
    with pytest.raises(InputError, match=r"blank\.gif shows no drawing"):
        ImageInput(spec, None).prepare([clean, tmp_path / "blank.gif"])


@pytest.mark.realdata
def test_real_sketches_are_left_alone(realdata_folder):
    """One real sketch of each of 125 classes: what people draw on a screen is clean already."""
    files = sorted(realdata_folder("sketchy25").glob("**/sketch/**/*.png"))[::25]
    images = [Image.open(file).convert("RGB") for file in files]
    told = [found.told for image in images if (found := prepared(image)).image is not image]
    assert len(files) == 125
    assert told == []
