"""The published benchmarks in small: their lists and folders, with images of their own colours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from PIL import Image

SEEN, UNSEEN = ("ant hill", "bear", "cup", "door"), ("hot air balloon", "t-shirt")


def put(top: Path, names: Iterable[str]) -> None:
    """Write an image a name, each of another colour."""
    for number, name in enumerate(names):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        colour = (number % 256, len(name), 77)
        Image.new("RGB", (4, 4), colour).save(top / name, format="PNG")


def lines(classes: Iterable[str], files: Callable[[str], Iterable[str]]) -> str:
    """Return the lines of a list, whose numbers begin at 0; they end as Windows has it."""
    return "".join(f"{name} {i}\r\n" for i, one in enumerate(classes) for name in files(one))


def lay_out(
    top: Path, folder: str, photos: Callable[[str], list[str]], sketches: Callable[[str], list[str]]
) -> None:
    """Write the class lists and images of a benchmark with 4 seen and 2 unseen classes."""
    lists = top / folder
    lists.mkdir(parents=True)
    (lists / "cname_cid.txt").write_text(lines(SEEN, lambda one: [one]), newline="")
    (lists / "cname_cid_zero.txt").write_text(lines(UNSEEN, lambda one: [one]), newline="")
    put(top, [name for one in (*SEEN, *UNSEEN) for name in (*photos(one), *sketches(one))])


def list_images(top: Path, folder: str, stem: str, files: Callable[[str], list[str]]) -> None:
    """Write a benchmark's two lists of one side."""
    for kind, classes in (("train", SEEN), ("zero", UNSEEN)):
        text = lines(classes, files)
        (top / folder / f"{stem}_{kind}.txt").write_text(text, newline="")


@pytest.fixture
def sketchy_ext(tmp_path: Path) -> Path:
    """Write extended Sketchy: two photos a class, the first in two folders, and two sketches."""
    top = tmp_path / "datasets/Sketchy"

    def photos(name: str) -> list[str]:
        base = f"256x256/photo/tx_000000000000_ready/{name}"
        extended = f"EXTEND_image_sketchy_ready/{name}"
        return [f"{base}/n1_2.jpg", f"{extended}/n1_2.jpg", f"{extended}/7.jpg"]

    def sketches(name: str) -> list[str]:
        folder = f"256x256/sketch/tx_000000000000_ready/{name}"
        return [f"{folder}/n1_2-1.png", f"{folder}/n8_8-1.png"]

    lay_out(top, "zeroshot1", photos, sketches)
    list_images(top, "zeroshot1", "all_photo_filelist", photos)
    list_images(top, "zeroshot1", "sketch_tx_000000000000_ready_filelist", sketches)
    return top


@pytest.fixture
def quickdraw(tmp_path: Path) -> Path:
    """Write QuickDraw as it is there: images to train on have no lists."""
    top = tmp_path / "datasets/QuickDraw"

    def photos(name: str) -> list[str]:
        return [f"images/{name}/{number}.jpg" for number in range(2)]

    def sketches(name: str) -> list[str]:
        return [f"sketches/{name}/{number}.png" for number in range(2)]

    lay_out(top, "zeroshot", photos, sketches)
    list_images(top, "zeroshot", "all_photo", photos)
    list_images(top, "zeroshot", "sketch", sketches)
    for stem in ("all_photo", "sketch"):
        (top / f"zeroshot/{stem}_train.txt").unlink()
    return top


@pytest.fixture
def tuberlin(tmp_path: Path) -> Path:
    """Write TU-Berlin: a photo a class, not listed to train on; a sketch more than is listed."""
    top = tmp_path / "datasets/TUBerlin"

    def photos(name: str) -> list[str]:
        return [f"ImageResized_ready/{name}/9.JPEG"]

    def sketches(name: str) -> list[str]:
        return [f"png_ready/{name}/1.png"]

    lay_out(top, "zeroshot", photos, sketches)
    list_images(top, "zeroshot", "ImageResized_ready_filelist", photos)
    list_images(top, "zeroshot", "png_ready_filelist", sketches)
    (top / "zeroshot/ImageResized_ready_filelist_train.txt").unlink()
    put(top, [f"png_ready/{name}/2.png" for name in SEEN])
    return top
