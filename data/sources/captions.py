"""Reads `captions.txt`: a line `image,caption`, any number of lines an image."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from zscr.data.names import nfc
from zscr.errors import InputError
from zscr.regular import open_regular

CAPTIONS = "captions.txt"


@dataclass(frozen=True)
class Captions:
    """The captions of each image, and the names in the file that are no image."""

    of: Mapping[str, tuple[str, ...]]
    unknown: tuple[str, ...]


def read_captions(path: Path, images: Collection[str]) -> Captions:
    """Read a CSV file with the columns image and caption; the header line is optional.

    Args:
        path: UTF-8, as Flickr8k's. Commas in an unquoted caption belong to the caption.
        images: relative posix paths. A bare file name will do where only one image has it.

    Raises:
        InputError: not UTF-8 (names the line), a line without caption, or no image known.
    """
    known = _names(images)
    captions: dict[str, list[str]] = {}
    unknown: dict[str, None] = {}
    for number, image, caption in _lines(path):
        if not image or not caption:
            raise InputError(f"{path}, line {number}: expected 'image,caption'; complete it")
        if nfc(image) in known:
            captions.setdefault(known[nfc(image)], []).append(caption)
        else:
            unknown[image] = None
    if not captions:
        shown = ", ".join(list(unknown)[:3]) or "nothing"
        raise InputError(
            f"{path} captions none of the {len(images)} images (it names {shown}); "
            f"name them by their path below the folder"
        )
    return Captions({name: tuple(texts) for name, texts in captions.items()}, tuple(unknown))


def _names(images: Collection[str]) -> dict[str, str]:
    """Map every path, and every file name that occurs once, composed (NFC), to its path."""
    owners: dict[str, list[str]] = {}
    for path in images:
        owners.setdefault(nfc(path.rsplit("/", 1)[-1]), []).append(path)
    single = {name: paths[0] for name, paths in owners.items() if len(paths) == 1}
    return single | {nfc(path): path for path in images}


def _lines(path: Path) -> list[tuple[int, str, str]]:
    """Return (line number, image, caption) of every line but blank ones and the header."""
    reader = csv.reader(io.StringIO(_text(path), newline=""), skipinitialspace=True, strict=True)
    lines = []
    try:
        for row in reader:
            image, *caption = (cell.strip() for cell in row) if row else ("", "")
            header = reader.line_num == 1 and image.lower() == "image"
            if row and not header:
                lines.append((reader.line_num, image, ",".join(caption)))
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: {error}; quote it as CSV does"
        ) from error
    return lines


def _text(path: Path) -> str:
    with open_regular(path) as file:
        raw = file.read()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path} is not UTF-8: byte {raw[error.start]:#04x} in line {line} "
            f"(offset {error.start}); save it as UTF-8"
        ) from error
