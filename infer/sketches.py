"""Drawings on a command line as queries: files, folders of them, or one on standard input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zscr.data.names import found_as_written
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.query_rows import checked_text
from zscr.streams import standard_input

if TYPE_CHECKING:
    from PIL import Image

STDIN = Path("-")


def sketch_queries(given: Sequence[Path]) -> list[Query]:
    """Make a query of each drawing, numbered from 1; its file is looked at when it is read.

    Args:
        given: files; folders, for all images in and below them in the order of their names; `-` for
            one on standard input.

    Raises:
        InputError: a folder has no image, standard input holds none, or a path holds what UTF-8
            cannot.
    """
    return Query.of("sketch", [one for path in given for one in _drawings(path)])


def _drawings(path: Path) -> Iterator[Path | Image.Image]:
    if path == STDIN:
        from zscr.data.images import read_image

        yield read_image(standard_input(), "the drawing on standard input")
    elif path.is_dir():
        from zscr.data.walk import find_images

        files = [*find_images(path)]
        if not files:
            raise InputError(f"--sketch is {path}, a folder without images; name one of drawings")
        yield from files
    else:
        yield found_as_written(Path(checked_text(str(path), "--sketch")))
