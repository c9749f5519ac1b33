"""An image's pixels as its decoder gives them, within the limits of pixels and of memory."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO

from PIL import Image

from zscr.data.decoding.formats import Format, coefficients, format_of
from zscr.data.decoding.mending import MENDERS
from zscr.data.decoding.orientation import Box
from zscr.errors import InputError
from zscr.memory import DECODING
from zscr.regular import open_regular

MAX_PIXELS = 256_000_000  # refused before decoding; phones take 200 million
_COPIES = 16  # bytes a pixel that an open image's conversions take
_LOADING = Lock()  # several threads may use one open image, and Pillow loads it at its first use


@dataclass(frozen=True)
class Loaded:
    """A decoded image as it lies in its file.

    Attributes:
        image: in the file's mode and orientation.
        size: width and height of the whole; the image may be a fraction of it.
        box: the part of `image` that the whole fills: all of it, but for a fraction of a pixel.
        raw: how the file stores a pixel, Pillow's raw mode.
    """

    image: Image.Image
    size: tuple[int, int]
    box: Box
    raw: str


@contextmanager
def load_open(image: Image.Image, name: str) -> Iterator[Loaded]:
    """Load an image that was opened elsewhere."""
    check_size(image, name)
    raw = _raw_mode(image)
    with DECODING.reserve(_COPIES * image.width * image.height, name):
        with _LOADING:
            image.load()
        yield Loaded(image, image.size, (0, 0, *image.size), raw)


@contextmanager
def load_file(path: Path, least: int | None) -> Iterator[Loaded]:
    """Decode a file; where only its end or its texts are at fault, without them."""
    with _opened(path) as file, ExitStack() as held:
        kind = format_of(path, file)
        try:
            found = held.enter_context(_decoded(kind, file, least, str(path)))
        except (OSError, SyntaxError, ValueError) as error:
            if kind.name not in MENDERS:
                raise
            file.seek(0)
            versions = MENDERS[kind.name](file.read())
            try:
                _require_alike(kind, versions, str(path))
                mended = io.BytesIO(versions[0])
                found = held.enter_context(_decoded(kind, mended, least, str(path)))
            except (OSError, SyntaxError, ValueError):
                raise error from None
        yield found


def _require_alike(kind: Format, versions: Sequence[bytes], name: str) -> None:
    """Prove that versions of a file decode to the same; one after the other, as memory is short.

    They are decoded whole: an eighth of the size shows no missing details.
    """
    seen = set[bytes]()
    for version in versions if len(versions) > 1 else ():
        with _decoded(kind, io.BytesIO(version), None, name) as found:
            seen.add(hashlib.sha256(found.image.tobytes()).digest())
    if len(seen) > 1:
        raise ValueError("pixels are missing")


@contextmanager
def _decoded(kind: Format, file: IO[bytes], least: int | None, name: str) -> Iterator[Loaded]:
    image = kind.open(file)
    check_size(image, name)
    size, kept = image.size, coefficients(image)  # of the whole, at whatever size it is decoded
    drafted = image.draft(None, (least, least)) if least else None
    box = drafted[1] if drafted else None
    raw = _raw_mode(image)
    with DECODING.reserve(kept + kind.cost * _pixels(image), name):
        image.load()
        # TIFF images are turned when they are loaded, so their size is told then.
        whole = image.size if box is None else size
        yield Loaded(image, whole, box or (0, 0, *image.size), raw)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that fits the memory: some decoders read all of it, and no image needs more."""
    with open_regular(path) as file:
        DECODING.check(os.fstat(file.fileno()).st_size, str(path))
        yield file


def check_size(image: Image.Image, name: str) -> None:
    """Refuse an image of more than `MAX_PIXELS`, or of none, as open ones may be."""
    width, height = image.size
    if not width or not height:
        raise InputError(f"{name} has {width}x{height} pixels: nothing can be seen; leave it out")
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{name} has {width}x{height} pixels, over the limit of {MAX_PIXELS}; shrink it"
        )


def _pixels(image: Image.Image) -> int:
    """Count the pixels that are held at once: a TIFF's tile may be larger than its image."""
    tags = getattr(image, "tag_v2", {})
    return max(image.width * image.height, int(tags.get(322, 0)) * int(tags.get(323, 0)))


def _raw_mode(image: Image.Image) -> str:
    """Return how a file stores a pixel; "" where its decoder does not say."""
    tiles = getattr(image, "tile", None)
    args = tiles[0].args if tiles else ""
    return str(args[0] if isinstance(args, tuple) and args else args)
