"""Paths of images as people use them: short from where they are, and to be clicked on."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TextIO

from zscr.infer.answers.answer import Hit
from zscr.printable import printable


def near(path: str) -> str:
    """Return a path from the current folder or from the root, whichever is shorter.

    One that begins with a dash gets `./`, so that no command takes it for an option.
    """
    short = min(os.path.relpath(path), path, key=len)
    return f"./{short}" if short.startswith("-") else short


def place_on(stream: TextIO) -> Callable[[Hit], str]:
    """Return how a table names the images of hits: by paths, which a terminal lets be opened.

    That is the escape sequence OSC 8, which terminals without it pass over. An image without a
    path is named by its id.
    """
    links = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"

    def place(hit: Hit) -> str:
        if hit.image is None:
            return printable(hit.id)
        shown = printable(near(hit.image))
        return _link(hit.image, shown) if links else shown

    return place


def _link(path: str, shown: str) -> str:
    from urllib.parse import quote  # only terminals need it

    return f"\x1b]8;;file://{quote(os.fsencode(path))}\x1b\\{shown}\x1b]8;;\x1b\\"


def near_place(hit: Hit) -> str:
    """Return the path of a hit's image from the current folder, as it is."""
    return near(str(hit.image))
