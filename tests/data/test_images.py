"""Images from anywhere: upright RGB, or one sentence."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from zscr.data.images import MAX_PIXELS, open_image, upright_rgb
from zscr.data.walk import find_images
from zscr.errors import InputError


@pytest.fixture
def photo(tmp_path):
    """Write a 64x48 JPEG whose left half is black and whose right half is white."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    Image.fromarray(pixels).save(tmp_path / "photo.jpg", quality=95)
    return tmp_path / "photo.jpg"


def test_every_truncation_of_a_jpeg_is_refused(photo):
    """No cut of the file decodes to a grey rest."""
    whole = photo.read_bytes()
    for end in range(0, len(whole) - 3, 7):
        photo.write_bytes(whole[:end])
        with pytest.raises(InputError, match=r"photo\.jpg"):
            open_image(photo)


@pytest.mark.parametrize("side", [16_001, 30_000, 2**31 - 1])
def test_bomb_is_refused_before_decoding(tmp_path, side):
    """A PNG header that claims a huge image costs no memory."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + data + chunk(b"IEND", b""))
    with pytest.raises(InputError, match="pixels|too large"):
        open_image(tmp_path / "x.png")


def test_other_files_are_refused(tmp_path):
    """Text, nothing, a folder, a missing file and a format outside the list."""
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "hidden.jpg", format="PPM")
    for name in ("text.jpg", "empty.png", "folder.png", "missing.png", "hidden.jpg"):
        with pytest.raises(InputError, match=name) as refused:
            open_image(tmp_path / name)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("orientation", "white"), [(1, "right"), (3, "left"), (6, "bottom"), (8, "top")]
)
def test_exif_orientation_is_applied(photo, orientation, white):
    """The white half ends up where the camera's orientation says."""
    with Image.open(photo) as image:
        exif = image.getexif()
        exif[0x0112] = orientation
        image.save(photo, exif=exif, quality=95)
    pixels = np.asarray(open_image(photo))
    half = {
        "right": pixels[:, pixels.shape[1] // 2 + 2 :],
        "left": pixels[:, : pixels.shape[1] // 2 - 2],
        "bottom": pixels[pixels.shape[0] // 2 + 2 :],
        "top": pixels[: pixels.shape[0] // 2 - 2],
    }
    assert half.pop(white).min() > 240
    assert pixels.mean() == pytest.approx(127.5, abs=3)


def with_alpha() -> Image.Image:
    """Return one transparent red and one opaque blue pixel."""
    return Image.fromarray(np.array([[[255, 0, 0, 0], [0, 0, 255, 255]]], np.uint8))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "I;16", "CMYK"])
def test_every_mode_becomes_rgb(tmp_path, mode):
    """Transparency is laid over white; other modes are converted."""
    image = with_alpha() if mode in ("RGBA", "LA", "P") else Image.new("RGB", (2, 1), "white")
    if mode == "P":
        image = Image.new("P", (2, 1))
        image.putpalette([255, 0, 0, 0, 0, 255])
        image.putpixel((1, 0), 1)
        image.info["transparency"] = 0
    elif mode == "I;16":
        image = Image.fromarray(np.full((1, 2), 65535, np.uint16))
    else:
        image = image.convert(mode)
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    image.save(path)
    found = np.asarray(open_image(path))
    assert found.shape == (1, 2, 3)
    assert (found[0, 0] >= 250).all()
    if mode in ("RGBA", "P"):
        assert found[0, 1].tolist() == [0, 0, 255]


def test_open_images_become_what_their_files_become(photo, tmp_path):
    """Turned as the camera says, laid over white; the image that was given stays what it is."""
    with Image.open(photo) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(photo, exif=exif)
    with_alpha().save(tmp_path / "alpha.png")
    for path in (photo, tmp_path / "alpha.png"):
        with Image.open(path) as image:
            found, size, mode = upright_rgb(image), image.size, image.mode
            np.testing.assert_array_equal(np.asarray(found), np.asarray(open_image(path)))
            found.thumbnail((1, 1))
            assert (image.size, image.mode) == (size, mode)


def test_open_images_that_cannot_be_used_are_refused(photo):
    """Cut, closed, empty or too large; the file is named where there is one."""
    with pytest.raises(InputError, match="has 0x9 pixels: nothing can be seen"):
        upright_rgb(Image.new("RGB", (0, 9)))
    with Image.open(io.BytesIO(photo.read_bytes()[:-30])) as cut:
        with pytest.raises(InputError, match="an image that is open already cannot be decoded"):
            upright_rgb(cut)
    with Image.open(photo) as closed:
        pass
    with pytest.raises(InputError, match=r"photo\.jpg cannot be decoded"):
        upright_rgb(closed)
    large = Image.new("1", (MAX_PIXELS // 8, 9))
    with pytest.raises(
        InputError, match=f"{MAX_PIXELS // 8}x9 pixels, over the limit of {MAX_PIXELS}"
    ):
        upright_rgb(large)


def test_images_are_found_in_order(tmp_path):
    """By suffix in any case, below any folder; other files are passed over."""
    for name in ("b/2.PNG", "b/1.jpeg", "a.webp", "notes.txt", "c/x.psd"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.jpg").mkdir()
    names = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert names == ["a.webp", "b/1.jpeg", "b/2.PNG"]
