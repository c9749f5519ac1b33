"""Reading the files of a published encoder's folder, which anybody may have made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zscr.errors import InputError
from zscr.infer.inputs.make import INPUT
from zscr.regular import read_regular
from zscr.strict_json import parse_json

_LARGEST = 16 << 20  # bytes; a configuration has a few thousand


def read_json(path: Path) -> Any:
    """Read a file of JSON.

    Raises:
        InputError: it is too large, or no JSON.
    """
    try:
        return parse_json(read_regular(path, _LARGEST, "description of a model"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({error}); fetch it again") from error


def read_object(path: Path) -> dict[str, Any]:
    """Read a file of one JSON object; without the file, an empty one.

    Raises:
        InputError: it is none.
    """
    content = read_json(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise InputError(f"{path} is no object of JSON; fetch it again")
    return content


def check_input(spec: Mapping[str, Any], source: Path) -> None:
    """Prove that what a folder says of its encoder's input is possible.

    Raises:
        InputError: names the value and what it may be.
    """
    try:
        INPUT(dict(spec), "")
    except ValueError as error:
        raise InputError(f"{source} cannot be used: {error}") from error


def state_of(path: Path) -> tuple[object, ...]:
    """Return what tells a folder, or a file, from what it was when it was opened last."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    here = [one for one in files if one.is_file()]  # a link may lead to nothing
    return tuple((one, one.stat().st_size, one.stat().st_mtime_ns) for one in here)
