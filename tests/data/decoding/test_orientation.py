"""Orientation from EXIF blocks and XMP, whole or damaged."""

from __future__ import annotations

import random
import struct
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin

from zscr.data.decoding.orientation import orientation, turned
from zscr.data.images import decoded, fault, open_image

LOSSLESS = {"jpg": {"quality": 95}, "png": {}, "webp": {"lossless": True}, "tif": {}}
PIXELS = np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)
SMALL = Image.fromarray(PIXELS).resize((40, 24), Image.Resampling.BICUBIC)


def exif_of(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "a maker"
    exif[0x0112] = value
    exif[0x011A] = 72.0
    return exif


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("value", range(1, 9))
def test_each_orientation_in_each_format_is_as_pillow_turns_it(tmp_path, suffix, value):
    """Rows and columns, mirrored or not; parity with `exif_transpose` on sound blocks."""
    path = tmp_path / f"x.{suffix}"
    SMALL.save(path, exif=exif_of(value), **LOSSLESS[suffix])
    with Image.open(path) as image:
        expected = ImageOps.exif_transpose(image).convert("RGB")
    np.testing.assert_array_equal(np.asarray(open_image(path)), np.asarray(expected))


@pytest.mark.parametrize("how", range(1, 9))
def test_a_box_turns_with_its_image(how):
    """What the box holds before is what it holds after."""
    image, box = Image.new("L", (7, 5)), (1, 0, 4, 2)
    image.paste(255, box)
    upright, found = turned(image, box, how)
    expected = Image.new("L", upright.size)
    expected.paste(255, tuple(map(int, found)))
    np.testing.assert_array_equal(np.asarray(upright), np.asarray(expected))


def test_a_signed_fraction_over_zero_costs_nothing(tmp_path):
    """XResolution -1/0, which Pillow's own turning cannot write back: struct.error."""
    entries = [(0x0112, 3, 1, struct.pack(">HH", 6, 0)), (0x011A, 10, 1, struct.pack(">I", 38))]
    block = b"MM\0*" + struct.pack(">IH", 8, len(entries))
    block += b"".join(struct.pack(">HHI", *entry[:3]) + entry[3] for entry in entries)
    block += struct.pack(">Iii", 0, -1, 0)
    SMALL.save(tmp_path / "x.jpg", exif=b"Exif\0\0" + block)
    assert open_image(tmp_path / "x.jpg").size == (24, 40)


@pytest.mark.parametrize(("tag", "size"), [(1, (40, 24)), (6, (24, 40)), (None, (24, 40))])
def test_the_tag_of_a_tiff_decides_whatever_its_xmp_says(tmp_path, tag, size):
    """And is applied once; without one, XMP is heard."""
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[700] = b'<x tiff:Orientation="6"/>'
    if tag:
        info[0x0112] = tag
    SMALL.save(tmp_path / "x.tif", tiffinfo=info)
    assert open_image(tmp_path / "x.tif").size == size


def test_the_block_may_be_little_endian_hexadecimal_or_xmp():
    """Intel's order of bytes; ImageMagick's raw profile; XMP where EXIF names none."""
    block = b"II*\0" + struct.pack("<IHHHIHH", 8, 1, 0x0112, 3, 1, 8, 0)
    assert orientation({"exif": b"Exif\0\0" + block}) == 8
    profile = f"\nexif\n{len(block):8}\n{block.hex()[:20]}\n{block.hex()[20:]}\n"
    assert orientation({"Raw profile type exif": profile}) == 8
    assert orientation({"exif": b"", "xmp": b'<x tiff:Orientation="3"/>'}) == 3
    assert orientation({"XML:com.adobe.xmp": "<tiff:Orientation>5</tiff:Orientation>"}) == 5
    assert orientation({"exif": b"Exif\0\0" + block, "xmp": b'tiff:Orientation="3"'}) == 8


def test_mutated_blocks_never_raise_and_never_invent(tmp_path):
    """3,000 seeded mutations: 1 to 8, and what Pillow reads wherever it can read the block."""
    rng, sound, agreed = random.Random(5), exif_of(6).tobytes(), 0
    for _ in range(3000):
        block = bytearray(sound)
        for _ in range(rng.randint(1, 3)):
            block[rng.randrange(len(block))] = rng.choice([0, 1, 2, 255, rng.randrange(256)])
        block = block[: rng.choice([len(block)] * 3 + [rng.randrange(len(block))])]
        found = orientation({"exif": bytes(block)})
        assert found in range(1, 9)
        image = Image.new("L", (1, 1))
        image.info["exif"] = bytes(block)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                theirs = image.getexif().get(0x0112, 1)
        except Exception:  # noqa: BLE001 - what it cannot read, it says in many ways
            continue
        if isinstance(theirs, int):
            assert found == (theirs if theirs in range(1, 9) else 1)
            agreed += 1
    assert agreed > 900


def mutations(content: bytes, start: int, end: int, count: int) -> Iterator[bytes]:
    """Yield `content` with one to six bytes changed between two places, as a seed says."""
    rng = random.Random(7)
    for _ in range(count):
        mutated = bytearray(content)
        for _ in range(rng.randint(1, 6)):
            mutated[rng.randrange(start, end)] = rng.choice([0, 255, rng.randrange(256)])
        yield bytes(mutated)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_damaged_block_never_costs_the_image(tmp_path, suffix):
    """Whatever stands in it, the pixels are read, turned or not, and without a warning."""
    path, block = tmp_path / f"x.{suffix}", exif_of(6).tobytes()
    for mutated in mutations(block, 0, len(block), 80):
        SMALL.save(path, exif=mutated)
        assert open_image(path).size in (SMALL.size, SMALL.size[::-1])


@pytest.mark.parametrize("suffix", ["tif", "avif"])
def test_where_the_block_holds_the_pixels_together_damage_is_one_sentence(tmp_path, suffix):
    """In a TIFF it says where they are, and of an AVIF Pillow parses all of it."""
    path = tmp_path / f"x.{suffix}"
    SMALL.save(path, exif=exif_of(6))
    content = path.read_bytes()
    start, reasons = content.find(b"a maker"), []
    for mutated in mutations(content, max(8, start - 120), start + 8, 60):
        path.write_bytes(mutated)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reasons.append(fault(path))
    refused = [reason for reason in reasons if reason]
    assert 0 < len(refused) < 60
    assert not [reason for reason in refused if "\n" in reason or str(path) not in reason]


def test_a_png_whose_block_fails_its_checksum_is_read(tmp_path):
    """As it lies; Pillow would refuse the whole file."""
    SMALL.save(tmp_path / "x.png", exif=exif_of(6))
    content = (tmp_path / "x.png").read_bytes().replace(b"a maker", b"a MAKER")
    (tmp_path / "x.png").write_bytes(content)
    np.testing.assert_array_equal(np.asarray(open_image(tmp_path / "x.png")), np.asarray(SMALL))


def test_a_turned_jpeg_is_decoded_small_in_the_same_place(tmp_path):
    """The part of a pixel that a reduced JPEG has too much stays at the edge where it was."""
    Image.new("RGB", (67, 41)).save(tmp_path / "x.jpg", exif=exif_of(3))
    with decoded(tmp_path / "x.jpg", least=20) as found:
        assert (found.image.size, found.size) == ((34, 21), (67, 41))
        assert found.box == (0.5, 0.5, 34, 21)
