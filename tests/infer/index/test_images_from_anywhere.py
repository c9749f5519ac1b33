"""Hostile and odd images on their way through the commands: read, or skipped and listed."""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from zscr.cli import main
from zscr.infer.index.index import Index

ORIENTATION = struct.pack(">HHIHH", 0x0112, 3, 1, 6, 0)
HOSTILE_EXIF = (
    b"MM\0*\0\0\0\x08\0\2" + ORIENTATION + struct.pack(">HHII", 0x011A, 10, 1, 38) + bytes(4)
) + struct.pack(">ii", -1, 0)


def photo(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    return Image.fromarray(pixels).resize((56, 40), Image.Resampling.BICUBIC)


def bytes_of(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


READ = {
    "turned.jpg": bytes_of(photo(1), exif=b"Exif\0\0" + HOSTILE_EXIF),
    "turned.webp": bytes_of(photo(2), "WEBP", exif=b"Exif\0\0" + HOSTILE_EXIF),
    "phone.jfif": bytes_of(photo(3))[:-2],
    "two.mpo": bytes_of(photo(4), "MPO", save_all=True, append_images=[photo(5)]),
    "scan.tif": bytes_of(photo(6).convert("F"), "TIFF"),
    "anim.gif": bytes_of(photo(7), "GIF"),
    "wide.png": bytes_of(Image.fromarray(np.full((9, 9), 40_000, np.uint16)), "PNG"),
}
SKIPPED = {
    "cut.jpg": (bytes_of(photo(8))[:-300], "truncated"),
    "none.jpg": (b"no image", "is not a JPEG, "),
    "empty.png": (b"", "is empty"),
    "iphone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), ""),
    "nan.tif": (bytes_of(Image.new("F", (4, 4), float("nan")), "TIFF"), "no finite number"),
    "head.bmp": (b"BM" + bytes(90), "cannot be decoded"),
}


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Write them all into five class folders, each with a sound image, too."""
    for number, (name, content) in enumerate(
        (READ | {n: c for n, (c, _) in SKIPPED.items()}).items()
    ):
        path = tmp_path / "photos" / f"class_{number % 5}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        photo(20 + number).save(path.parent / f"sound_{number}.png")
    return tmp_path / "photos"


def call(*arguments: object) -> str:
    ran = CliRunner().invoke(main, list(map(str, arguments)), catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return str(ran.output)


def test_an_import_ends_with_every_image_in_it_or_listed(bundle_folder, mixed, tmp_path):
    """The index holds what can be read; each other is named with its own reason."""
    options = ["--bundle", bundle_folder, "--index", tmp_path / "x", "--threads", 2]
    said = call("index", "add", mixed, *options, "--memory", "500MB")
    index = Index.open(tmp_path / "x")
    sound = len(READ) + len(SKIPPED)
    assert f"{sound + len(READ)} added, 0 replaced, 0 unchanged, {len(SKIPPED)} skipped" in said
    held = {Path(entry.id).name for entry in index.entries}
    assert held == READ.keys() | {f"sound_{number}.png" for number in range(sound)}
    reasons = {Path(row["image"]).name: row["reason"] for row in index.errors}
    assert reasons.keys() == SKIPPED.keys()
    assert not [name for name, (_, why) in SKIPPED.items() if why not in reasons[name]]


def test_a_conversion_ends_and_what_it_made_is_sound(mixed, tmp_path):
    """What cannot be read is in errors.jsonl, what could is decoded again by the check."""
    said = call("data", "convert", "folder", mixed, "--out", tmp_path / "c", "--memory", "500MB")
    assert f"{len(SKIPPED)} sources could not be used" in said
    rows = map(json.loads, (tmp_path / "c/errors.jsonl").read_text().splitlines())
    assert {Path(row["source"]).name for row in rows} == SKIPPED.keys()
    assert "is sound" in call("data", "check", tmp_path / "c", "--memory", "500MB")


def test_queries_by_image_say_why_one_cannot_be_used(bundle_folder, mixed, tmp_path):
    """A readable one finds itself, shown in a page; the others end in one sentence."""
    options = ["--bundle", bundle_folder, "--index", tmp_path / "x", "--threads", 1]
    call("index", "add", mixed, *options)
    for name in READ:
        [path] = mixed.rglob(name)
        answer = json.loads(call("query", "--image", path, *options, "-k", 1))
        assert Path(answer["hits"][0]["id"]).name == name
        page = call("query", "--image", path, *options, "--format", "html", "-k", 30)
        assert "could not be shown" not in page
    for name, (_, why) in SKIPPED.items():
        [path] = mixed.rglob(name)
        ran = CliRunner().invoke(main, ["query", "--image", str(path), *map(str, options)])
        assert ran.exit_code == 1
        assert name in ran.output
        assert why in ran.output
        assert "Traceback" not in ran.output


def test_memory_too_small_for_an_image_is_told_with_the_way_out(bundle_folder, mixed, tmp_path):
    """It is skipped and listed; a higher --memory brings it in."""
    Image.new("RGB", (900, 900)).save(mixed / "large.png")
    options = ["--bundle", bundle_folder, "--index", tmp_path / "x", "--threads", 2]
    call("index", "add", mixed, *options, "--memory", "2MB")
    [row] = [row for row in Index.open(tmp_path / "x").errors if "large.png" in row["image"]]
    assert "takes 11 MB to decode, more than the 2 MB that may be used" in row["reason"]
    assert "1 added" in call("index", "add", mixed, *options)
