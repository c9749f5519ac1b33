"""Files of every format that is read, whole, damaged, hostile or merely long."""

from __future__ import annotations

import io
import os
import random
import struct
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from zscr.data.decoding.formats import FORMATS, SPOKEN
from zscr.data.decoding.suffixes import SUFFIXES
from zscr.data.images import decoded, fault, open_image
from zscr.data.walk import find_images
from zscr.errors import InputError
from zscr.memory import DECODING

PIXELS = np.random.default_rng(1).integers(0, 256, (8, 12, 3), np.uint8)
PHOTO = Image.fromarray(PIXELS).resize((96, 64), Image.Resampling.BICUBIC)
WRITTEN = {  # format -> how Pillow writes it, and how far its pixels may be off
    "JPEG": ({"quality": 95}, 4),
    "PNG": ({}, 0),
    "WebP": ({"lossless": True}, 0),
    "GIF": ({}, 12),
    "TIFF": ({"compression": "tiff_lzw"}, 0),
    "BMP": ({}, 0),
    "AVIF": ({"quality": 90}, 4),
    "JPEG 2000": ({}, 0),
}


@pytest.mark.parametrize("one", FORMATS[:-1], ids=lambda one: one.name)
def test_every_format_is_read_under_each_of_its_suffixes(tmp_path, one):
    """Pixels are known, the folder's walk finds the file, and a lying suffix does not matter."""
    options, most = WRITTEN[one.name]
    PHOTO.save(
        tmp_path / f"x{one.suffixes[0]}", format=one.name.replace(" ", "").upper(), **options
    )
    content = (tmp_path / f"x{one.suffixes[0]}").read_bytes()
    for suffix in (*one.suffixes, ".jpg", ".png"):
        path = tmp_path / f"y{suffix.upper()}"
        path.write_bytes(content)
        assert path in find_images(tmp_path)
        off = np.abs(np.asarray(open_image(path), int) - np.asarray(PHOTO, int))
        assert off.mean() <= most
        path.unlink()


def test_the_first_of_several_pictures_is_the_image(tmp_path):
    """Of a GIF's frames, a TIFF's pages, a WebP's, a PNG's, and of the two of an MPO file."""
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    for suffix, kind in {
        "gif": "GIF",
        "tif": "TIFF",
        "webp": "WEBP",
        "png": "PNG",
        "jpg": "MPO",
    }.items():
        path = tmp_path / f"x.{suffix}"
        frames[0].save(path, format=kind, save_all=True, append_images=frames[1:])
        red, green, blue = np.asarray(open_image(path), int)[16, 16]
        assert red > 250 > 5 > max(green, blue), suffix


@pytest.mark.parametrize("kind", ["PPM", "ICO", "TGA", "PCX", "EPS"])
def test_formats_outside_the_list_are_refused_by_content(tmp_path, kind):
    """Their decoders are never opened, whatever the file is called."""
    PHOTO.save(tmp_path / "x.jpg", format=kind)
    assert fault(tmp_path / "x.jpg") == f"{tmp_path / 'x.jpg'} is not a {SPOKEN} image"


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    """A pipe without a writer, a device, a folder, nothing, an empty file."""
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "empty.jpg").touch()
    said = {"pipe.jpg": "is a named pipe", "folder.jpg": "is a folder"}
    said |= {"gone.jpg": "does not exist", "empty.jpg": "is empty"}
    for name, why in said.items():
        assert f"{tmp_path / name} {why}" in str(fault(tmp_path / name))
    assert fault(Path("/dev/zero")) == "/dev/zero is a device, not a file on a disk; name a file"


@pytest.mark.skipif(find_spec("pillow_heif") is not None, reason="pillow-heif is installed")
@pytest.mark.parametrize("brands", [b"heic\0\0\0\0mif1heic", b"mif1\0\0\0\0mif1heicmiaf"])
def test_heic_names_the_package_that_reads_it(tmp_path, brands):
    """A photo of an iPhone is found and skipped with a reason that helps."""
    (tmp_path / "x.heic").write_bytes(b"\0\0\0\x1cftyp" + brands + bytes(90))
    said = "x.heic is a HEIC image, which needs an extra: pip install 'zscr[heic]'"
    assert str(fault(tmp_path / "x.heic")).endswith(said)
    assert ".heic" in SUFFIXES


def test_heic_is_read_where_pillow_heif_is_installed(tmp_path):
    """With its own decoder, without registering it for the whole process."""
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(PHOTO).save(tmp_path / "x.heic", quality=95, chroma=444)
    off = np.abs(np.asarray(open_image(tmp_path / "x.heic"), int) - np.asarray(PHOTO, int))
    assert off.mean() < 5


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"subsampling": 0}])
def test_a_jpeg_without_its_end_marker_is_read_and_one_without_pixels_is_not(tmp_path, how):
    """The last two bytes hold nothing; any cut that loses a pixel is told from that."""
    path, buffer = tmp_path / "x.jpg", io.BytesIO()
    PHOTO.save(buffer, "JPEG", quality=90, **how)
    whole = buffer.getvalue()
    path.write_bytes(whole)
    expected = np.asarray(open_image(path))
    for cut in (1, 2):
        path.write_bytes(whole[:-cut])
        np.testing.assert_array_equal(np.asarray(open_image(path)), expected)
    for cut in (5, 6, 9, 30, 200):
        path.write_bytes(whole[:-cut])
        assert "cannot be decoded (image file is truncated" in str(fault(path))


def chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize(
    "long",
    [
        chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 3_000_000)),
        chunk(b"iTXt", b"a\0\1\0\0\0" + zlib.compress(b"x" * 3_000_000)),
        chunk(b"zTXt", b"a\0\0" + zlib.compress(b"x" * 1_000_000)) * 70,
        chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(3_000_000))),
    ],
    ids=["zTXt", "iTXt", "70 MB of zTXt", "iCCP"],
)
def test_png_with_long_texts_or_profiles_is_read(tmp_path, long, behind):
    """Pillow limits what it decompresses of them; they are no part of the image."""
    buffer = io.BytesIO()
    PHOTO.save(buffer, "PNG")
    whole = buffer.getvalue()
    at = whole.index(b"IEND") - 4 if behind else 33
    (tmp_path / "x.png").write_bytes(whole[:at] + long + whole[at:])
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "x.png")), np.asarray(PHOTO))


def test_a_cut_png_is_refused_for_its_cut_though_it_has_texts(tmp_path):
    """What is mended is not the reason, so the first reason stands."""
    info = PngImagePlugin.PngInfo()
    info.add_text("a", "b")
    PHOTO.save(tmp_path / "x.png", pnginfo=info)
    (tmp_path / "x.png").write_bytes((tmp_path / "x.png").read_bytes()[:-400])
    assert "truncated" in str(fault(tmp_path / "x.png"))


@pytest.mark.parametrize("one", FORMATS[:-1], ids=lambda one: one.name)
def test_whatever_a_decoder_raises_is_one_sentence(tmp_path, one):
    """120 seeded mutations of each format's header and body; only InputError leaves."""
    options, _ = WRITTEN[one.name]
    path, rng = tmp_path / f"x{one.suffixes[0]}", random.Random(one.name)
    PHOTO.save(path, format=one.name.replace(" ", "").upper(), **options)
    whole = path.read_bytes()
    for number in range(120):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            content[rng.randrange(8, 200 if number % 2 else len(content))] = rng.randrange(256)
        path.write_bytes(content[: rng.choice([len(content), rng.randrange(12, len(content))])])
        if reason := fault(path):
            assert str(path) in reason
            assert "\n" not in reason


def test_an_image_of_more_memory_than_there_is_is_refused_before_it_is_decoded(tmp_path):
    """With both amounts; a JPEG that is decoded small needs less, a progressive one does not."""
    Image.new("RGB", (2000, 1000)).save(tmp_path / "x.jpg")
    Image.new("RGB", (2000, 1000)).save(tmp_path / "p.jpg", progressive=True)
    try:
        DECODING.set_limit(5_000_000)
        with pytest.raises(InputError, match=r"x\.jpg takes 26 MB to decode, more than the 5 MB"):
            open_image(tmp_path / "x.jpg")
        with decoded(tmp_path / "x.jpg", least=250) as found:
            assert (found.size, found.image.size) == ((2000, 1000), (500, 250))
        with pytest.raises(InputError, match=r"p\.jpg takes 8 MB"):
            open_image(tmp_path / "p.jpg", least=250)
        (tmp_path / "x.jpg").write_bytes((tmp_path / "x.jpg").read_bytes()[:-2])
        with pytest.raises(InputError, match=r"x\.jpg takes 26 MB"):  # to see if it is whole
            open_image(tmp_path / "x.jpg", least=250)
        DECODING.set_limit(26_000_000)
        with decoded(tmp_path / "x.jpg", least=250) as found:
            assert (found.size, found.image.size) == ((2000, 1000), (500, 250))
    finally:
        DECODING.set_limit(None)


def test_a_file_that_no_memory_holds_is_not_read(tmp_path):
    """Decoders of WebP and AVIF would read all of it, here 1 TB that takes no place on the disk."""
    PHOTO.save(tmp_path / "x.webp")
    os.truncate(tmp_path / "x.webp", 10**12)
    assert "takes 1,000,000 MB to decode" in str(fault(tmp_path / "x.webp"))


@pytest.mark.parametrize(("side", "scale"), [(799, 1), (800, 2), (1600, 4), (3200, 8), (5000, 8)])
def test_a_large_jpeg_is_decoded_at_an_eighth_at_most(tmp_path, side, scale):
    """Its shorter side keeps `least` pixels and more; the whole's size is told."""
    Image.new("L", (side, side + 3)).save(tmp_path / "x.jpg")
    with decoded(tmp_path / "x.jpg", least=400) as found:
        assert found.size == (side, side + 3)
        assert min(found.image.size) == -(-side // scale) >= 400
