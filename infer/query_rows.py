"""From a line of JSON, or the options of a command, to a query: keys, types and files checked."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from zscr.data.names import found_as_written
from zscr.data.records import Query, Refused
from zscr.errors import InputError
from zscr.infer.lines import Line
from zscr.regular import irregular

KEYS = ("id", "text", "image", "sketch", "instead_of", "compose")  # of a line of JSON
_FILES, _TEXTS = ("image", "sketch"), ("text", "instead_of", "compose")
_HOW = {"id", "instead_of", "compose"}  # which ask for nothing by themselves
_EXAMPLE = '{"text": "a red bird"}'
_HOSTILE = re.compile("[\0\ud800-\udfff]")  # a NUL, and half a character: no UTF-8 file holds it


def query_of(line: Line, number: str, folder: Path) -> Query | Refused:
    """Return the query that a line's object describes, its images' paths below `folder`."""
    row: dict[str, Any] = {}
    try:
        row = _parsed(line.text, line.where)
        _check_row(row, line.where)
        for key in row.keys() & {*_FILES}:
            row[key] = found_image(folder / row[key], f"'{key}' of {line.where}")
        return _filled_by(row, number, folder)
    except InputError as error:
        return Refused(_shown(row, line.text, number, folder), str(error))


def _filled_by(row: dict[str, Any], number: str, folder: Path) -> Query:
    given: dict[str, Any] = {key: row[key].strip() for key in row.keys() & {*_TEXTS}}
    given |= {key: folder / row[key] for key in row.keys() & {*_FILES}}
    return Query(row.get("id", number), **given)


def _shown(row: dict[str, Any], text: str, number: str, folder: Path) -> Query:
    """Return what can be told of a line that is no query: what it fills, or else its beginning."""
    sound = {key: value for key, value in row.items() if key in KEYS and _is_text(value)}
    if sound.keys() <= _HOW:
        sound["text"] = text[:80]
    return _filled_by(sound, number, folder)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and not _HOSTILE.search(value)


def _parsed(text: str, where: str) -> dict[str, Any]:
    """Return the JSON object that a line holds."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise InputError(f"{where} has the key {twice[0][:40]!r} twice; leave one out")
        return dict(pairs)

    try:
        row = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        why = getattr(error, "msg", str(error))
        raise InputError(
            f"{where} is not JSON ({why}); write an object a line, such as {_EXAMPLE}"
        ) from error
    if not isinstance(row, dict):
        raise InputError(f"{where} is no JSON object; write one a line, such as {_EXAMPLE}")
    return row


def _check_row(row: dict[str, Any], where: str) -> None:
    """Check the keys and values of a line's object."""
    for key, value in row.items():
        if key not in KEYS:
            raise InputError(f"{where} has the unknown key {key[:40]!r}; use {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise InputError(f"{where} has '{key}' {json.dumps(value)[:40]}; make it a string")
        if not checked_text(value, f"'{key}' of {where}").strip():
            raise InputError(f"{where} has an empty '{key}'; fill it or leave it out")
    if row.keys() <= _HOW:
        raise InputError(f"{where} asks for nothing; give it text, image or sketch")


def found_image(path: Path, where: str) -> Path:
    """Return the path of an image's file.

    Raises:
        InputError: it does not exist, or is none; `where` says who named it.
    """
    checked_text(str(path), where)
    path = found_as_written(path)
    if fault := fault_of(path):
        raise InputError(f"{where} is {path}, which {fault}; name an image's file")
    return path


def fault_of(path: Path) -> str | None:
    """Return why a path that somebody typed is no file to be opened, or None."""
    try:
        kind = irregular(path)
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except (OSError, ValueError) as error:  # too long a name, no permission, a NUL
        return f"cannot be opened ({getattr(error, 'strerror', error)})"
    return None if kind is None else f"is {kind}"


def checked_text(text: str, where: str) -> str:
    """Refuse what no UTF-8 file can hold, or no caption may.

    Raises:
        InputError: `where` says whose text it is.
    """
    if _HOSTILE.search(text):
        raise InputError(f"{where} holds a NUL or half a character; write it in plain UTF-8")
    return text
