"""Every mode of Pillow has a known answer in RGB."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from zscr.data.decoding.modes import to_rgb
from zscr.data.images import open_image, upright_rgb
from zscr.errors import InputError

RAMP = np.array([[0, 51, 128, 255]])
BLACK_TO_WHITE = [0, 51, 128, 255]


def red_of(image: Image.Image) -> list[int]:
    pixels = np.asarray(image)
    assert (image.mode, pixels.dtype) == ("RGB", np.uint8)
    return pixels[0, :, 0].tolist()


def of_mode(mode: str, *pixels: object) -> Image.Image:
    image = Image.new(mode, (len(pixels), 1))
    for x, pixel in enumerate(pixels):
        image.putpixel((x, 0), pixel)
    return image


KNOWN = {
    "1": ([0, 255], [(0, 0, 0), (255, 255, 255)]),
    "L": ([0, 90], [(0, 0, 0), (90, 90, 90)]),
    "LA": ([(90, 255), (90, 0), (0, 51)], [(90,) * 3, (255,) * 3, (204,) * 3]),
    "La": ([(90, 255), (0, 51)], [(90,) * 3, (204,) * 3]),
    "RGB": ([(1, 2, 3)], [(1, 2, 3)]),
    "RGBA": ([(9, 8, 7, 255), (9, 8, 7, 0), (0, 0, 0, 51)], [(9, 8, 7), (255,) * 3, (204,) * 3]),
    "RGBa": ([(9, 8, 7, 255), (51, 0, 0, 51)], [(9, 8, 7), (255, 204, 204)]),
    "RGBX": ([(9, 8, 7, 0)], [(9, 8, 7)]),
    "CMYK": ([(0, 0, 0, 0), (0, 255, 255, 0), (0, 0, 0, 255)], [(255,) * 3, (255, 0, 0), (0,) * 3]),
    "YCbCr": ([(255, 128, 128), (0, 128, 128)], [(255,) * 3, (0,) * 3]),
    "HSV": ([(0, 0, 255), (0, 255, 255)], [(255,) * 3, (255, 0, 0)]),
    "LAB": ([(255, 128, 128), (0, 128, 128)], [(255,) * 3, (0,) * 3]),
    "I": ([0, 100, 255], [(0,) * 3, (100,) * 3, (255,) * 3]),
    "F": ([0.0, 0.4, 1.0], [(0,) * 3, (102,) * 3, (255,) * 3]),
    "I;16": ([0, 257 * 90, 65535], [(0,) * 3, (90,) * 3, (255,) * 3]),
    "I;16L": ([0, 257 * 90, 65535], [(0,) * 3, (90,) * 3, (255,) * 3]),
    "I;16B": ([0, 257 * 90, 65535], [(0,) * 3, (90,) * 3, (255,) * 3]),
}  # fmt: skip


@pytest.mark.parametrize("mode", KNOWN)
def test_modes_have_known_answers(mode):
    """Grey by its range, transparency over white, whether it was multiplied in or not."""
    pixels, expected = KNOWN[mode]
    found = np.asarray(upright_rgb(of_mode(mode, *pixels)))
    np.testing.assert_allclose(found[0], expected, atol=1)


@pytest.mark.parametrize("clear", [0, b"\0\xff"])
def test_palettes_have_a_clear_colour_or_a_table_of_them(clear):
    """By its number, or by an alpha a colour; without either all are opaque."""
    image = of_mode("P", 0, 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    assert np.asarray(upright_rgb(image))[0].tolist() == [[255, 0, 0], [0, 0, 255]]
    image.info["transparency"] = clear
    assert np.asarray(upright_rgb(image))[0].tolist() == [[255] * 3, [0, 0, 255]]
    assert np.asarray(upright_rgb(image.convert("PA")))[0].tolist() == [[255] * 3, [0, 0, 255]]


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1), (0, 255), (0, 65535), (-7.5, 3000), (0, 3.7), (-1, 1)]
)
def test_floats_are_scaled_by_the_range_that_they_fill(tmp_path, low, high):
    """Of 1, 255 or 65535, or else their own; through a TIFF file, as scientists keep them."""
    numbers = (low + RAMP / 255 * (high - low)).astype(np.float32)
    Image.fromarray(numbers).save(tmp_path / "x.tif")
    assert red_of(open_image(tmp_path / "x.tif")) == BLACK_TO_WHITE


def test_numbers_that_are_none_are_black_or_at_the_end():
    """NaN is black and infinity the end of the range; they decide nothing of it."""
    numbers = np.array([[np.nan, np.inf, -np.inf, 0, 0.4, 1]], np.float32)
    assert red_of(to_rgb(Image.fromarray(numbers))) == [0, 255, 0, 0, 102, 255]
    with pytest.raises(InputError, match="no finite number"):
        upright_rgb(Image.fromarray(numbers[:, :3]))


@pytest.mark.parametrize(
    ("shade", "expected"), [(0, 0), (0.5, 128), (1, 255), (128, 128), (255, 255), (65535, 255)]
)
@pytest.mark.parametrize("mode", ["I", "F"])
def test_one_shade_alone_is_what_it_is(mode, shade, expected):
    """There is no other to scale it by: the smallest usual range that holds it."""
    shade, expected = (0, 0) if mode == "I" and shade in (0.5, 1) else (shade, expected)
    assert red_of(to_rgb(Image.new(mode, (2, 1), shade))) == [expected] * 2


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_grey_of_16_bits_is_as_its_twin_of_8(tmp_path, mode):
    """The same photo in PNG or TIFF, 16 or 8 bits, gives the same pixels."""
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    wide = Image.fromarray(grey.astype(np.uint16) * 257)
    if mode == "I":
        wide = Image.fromarray(grey.astype(np.int32) * 257)
    elif mode == "I;16B":
        wide = Image.frombytes(
            "I;16B", (16, 16), (grey.astype(">u2") * 257).astype(">u2").tobytes()
        )
    path = tmp_path / ("x.png" if mode == "I;16" else "x.tif")
    wide.save(path)
    np.testing.assert_array_equal(np.asarray(open_image(path))[..., 0], grey)


def png(depth: int, colour: int, row: bytes, clear: bytes = b"", width: int = 2) -> io.BytesIO:
    """Return a PNG of one row, written by hand: Pillow writes neither 48 bits nor 2 of grey."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    head = struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0)
    chunks = [chunk(b"IHDR", head), *([chunk(b"tRNS", clear)] if clear else [])]
    chunks += [chunk(b"IDAT", zlib.compress(b"\0" + row)), chunk(b"IEND", b"")]
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (png(16, 2, struct.pack(">6H", 0, 257 * 90, 65535, 1, 2, 3)), [[0, 90, 255], [0, 0, 0]]),
        (
            png(16, 2, struct.pack(">6H", 0xAB01, 0xCD02, 0xEF03, 0, 0, 0), b"\xab\1\xcd\2\xef\3"),
            [[255] * 3, [0] * 3],
        ),
        (png(16, 4, struct.pack(">4H", 257 * 90, 65535, 0, 0)), [[90] * 3, [255] * 3]),
        (png(16, 0, struct.pack(">2H", 257 * 90, 300), b"\1\x2c"), [[90] * 3, [255] * 3]),
        (png(2, 0, b"\x60", b"\0\1"), [[255] * 3, [170] * 3]),
        (png(1, 0, b"\x40", b"\0\0"), [[255] * 3, [255] * 3]),
    ],
    ids=["RGB", "RGB, one clear", "grey and alpha", "grey, one clear", "2 bits", "1 bit"],
)
def test_png_of_any_depth_has_known_answers(tmp_path, file, expected):
    """16 bits a channel lose the lower 8; a clear colour is told in the file's own depth."""
    (tmp_path / "x.png").write_bytes(file.getvalue())
    np.testing.assert_allclose(np.asarray(open_image(tmp_path / "x.png"))[0], expected, atol=1)


def test_adobe_jpegs_of_four_inks_are_not_negatives(tmp_path):
    """They hold how much paper is left: white stays white."""
    of_mode("CMYK", (0, 0, 0, 0)).resize((8, 8)).save(tmp_path / "x.jpg")
    assert np.asarray(open_image(tmp_path / "x.jpg")).min() > 250
    assert b"Adobe" in (tmp_path / "x.jpg").read_bytes()


def test_tiff_that_counts_darkness_is_turned_over(tmp_path):
    """White is zero in some scans, and Pillow turns only 8 bits of them over."""
    ramp = np.array([[255, 204, 127, 0]], np.uint16) * 257
    Image.fromarray(ramp).save(tmp_path / "x.tif", tiffinfo={262: 0})
    assert red_of(open_image(tmp_path / "x.tif")) == BLACK_TO_WHITE
