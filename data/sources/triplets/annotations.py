"""Published annotations: found in whichever layout they lie in, and read as JSON of strangers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from zscr.errors import InputError
from zscr.regular import open_regular
from zscr.schema import Check, integer
from zscr.strict_json import parse_json

DEPTH = 2  # folders between what a user names and what holds the annotations


def find_layout(source: Path, folder: Path, markers: Sequence[str]) -> Path:
    """Return the one folder, at or up to two below `folder`, that holds one of `markers`.

    Args:
        source: what was named, for the error; folder: where it is opened.
        markers: files of a layout, relative to its root, such as `captions/cap.rc2.val.json`.

    Raises:
        InputError: no folder holds one, or several do.
    """
    found = [one for one in folders(folder) if any((one / name).is_file() for name in markers)]
    if len(found) != 1:
        raise InputError(
            f"{source} holds {' or '.join(markers)} in {len(found)} folders, not in one; name the "
            f"published folder, or the one above it"
        )
    return found[0]


def folders(folder: Path, depth: int = DEPTH) -> Iterator[Path]:
    """Yield a folder and those below it, in alphabetical order, down to a depth."""
    yield folder
    if depth:
        for one in sorted(path for path in folder.iterdir() if path.is_dir()):
            yield from folders(one, depth - 1)


def read_annotations(path: Path, check: Check) -> Any:
    """Read a file of JSON.

    Args:
        path: of the file; check: what it must hold.

    Raises:
        InputError: it is missing, no JSON, or holds something else.
    """
    try:
        with open_regular(path) as file:
            content = parse_json(file.read())
        check(content, "")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist; name the whole published folder") from error
    except ValueError as error:
        raise InputError(f"{path} is not in the published format ({error})") from error
    return content


def published_id(value: Any, where: str) -> None:
    """Take an id: a whole number, or its digits as a text, as some copies have it; see `schema`."""
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:20])
    integer(0, 1 << 53)(value, where)


def bare_name(written: str) -> str:
    """Return an image's name without folders and `.png` or `.jpg`: some files have the whole path.

    `./dev/dev-7-img0.png` is `dev-7-img0`.
    """
    name = written.rsplit("/", 1)[-1]
    return name[:-4] if name.lower().endswith((".png", ".jpg")) else name


def spoken(caption: str) -> str:
    """Return a caption as a query's text: a `*` is the image's place there, so that it is left out.

    The released code leaves a literal `*` in the sentence; LinCIR's takes its own sign out as here.
    """
    return " ".join(caption.replace("*", " ").split()) if "*" in caption else caption
