"""Reading queries from captions and JSON Lines, streamed, nothing dropped unseen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from zscr.data.names import found_as_written
from zscr.data.records import Query
from zscr.errors import InputError
from zscr.infer.lines import read_lines
from zscr.regular import irregular

KEYS = ("id", "text", "image", "sketch")  # of a line of JSON
_EXAMPLE = '{"text": "a red bird"}'


@dataclass
class QueryFile:
    """Queries to iterate over, read as they are asked for.

    Attributes:
        source: a file, or an open binary stream such as `sys.stdin.buffer`.
        skipped: empty lines passed over so far; final once the iteration has ended.

    Raises:
        InputError: while iterating, for the first line that cannot be used.
    """

    source: Path | BinaryIO
    skipped: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """What messages call it: the path, or the stream's name."""
        is_path = isinstance(self.source, Path)
        return str(self.source if is_path else getattr(self.source, "name", "the input"))

    def __iter__(self) -> Iterator[Query]:
        if isinstance(self.source, Path) and self.source.suffix.lower() == ".jsonl":
            return self._objects(self.source.parent)
        return self._captions()

    def _captions(self) -> Iterator[Query]:
        first = True
        for number, text, where in self._lines():
            if first and _is_object(text):
                raise InputError(
                    f"{where} is a JSON object, not a caption; save such queries as a file whose "
                    f"name ends in .jsonl and name that"
                )
            first = False
            yield Query(str(number), text=text)

    def _objects(self, folder: Path) -> Iterator[Query]:
        lines: dict[str, int] = {}  # a query's id -> its line
        for number, text, where in self._lines():
            query = _query_of(_parsed(text, where), str(number), folder, where)
            if query.id in lines:
                raise InputError(
                    f"{where} has the id {query.id[:40]!r}, as line {lines[query.id]} has (without "
                    f"one, it is the line's number); give each query an id of its own"
                )
            lines[query.id] = number
            yield query

    def _lines(self) -> Iterator[tuple[int, str, str]]:
        """Yield number, text and place of each line that is not empty; count the others."""
        self.skipped = 0
        for number, (where, text) in enumerate(read_lines(self.source, self.name), 1):
            if text:
                yield number, text, where
            else:
                self.skipped += 1


def read_queries(source: Path | BinaryIO) -> QueryFile:
    """Prepare to read a file of queries; empty lines are skipped and counted.

    A file whose name ends in `.jsonl` holds one JSON object a line, with the keys `text`, `image`
    and `sketch`, at least one of them, and `id` (by default the line's number), all of them
    strings. An image's path is relative to the file's folder. The ids are kept while reading, to
    find one that is there twice. Anything else, and every stream, holds one caption a line, whose
    id is the line's number.

    Raises:
        InputError: the file is missing or a folder, or cannot be looked at. What its lines hold is
            checked as they are read: UTF-8 without NUL, line ends LF or CRLF, at most 1 MiB a
            line; of captions that the first is no JSON object; and in JSON Lines the keys, the
            types, that ids differ and that the images' files exist.
    """
    if isinstance(source, Path):
        fix = "name a text file with one caption a line, or a .jsonl file with one query a line"
        if fault := _fault_of(source):
            raise InputError(f"{source} {fault}; {fix}")
    return QueryFile(source)


def make_query(
    text: str | None = None, image: Path | None = None, sketch: Path | None = None
) -> Query:
    """Make the one query of a command line, with the id "1".

    Raises:
        InputError: a file does not exist, a text is blank, a text or path holds what UTF-8
            cannot, or nothing is given.
    """
    files = {"image": image, "sketch": sketch}
    found: dict[str, Any] = {
        name: _found(path, f"--{name}") for name, path in files.items() if path is not None
    }
    if text is not None:
        text = " ".join(_checked(text, "--text").split())  # one caption, if on two lines, too
        if not text:
            raise InputError("--text is empty; give a caption")
    return Query("1", text, **found)


def _is_object(text: str) -> bool:
    """Say whether a line is an object of JSON, as JSON Lines under another name begin."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


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


def _query_of(row: dict[str, Any], number: str, folder: Path, where: str) -> Query:
    """Check the keys and values of a line's object, and find its images below `folder`."""
    for key, value in row.items():
        if key not in KEYS:
            raise InputError(f"{where} has the unknown key {key[:40]!r}; use {', '.join(KEYS)}")
        if not isinstance(value, str):
            raise InputError(f"{where} has '{key}' {json.dumps(value)[:40]}; make it a string")
        if not _checked(value, f"'{key}' of {where}").strip():
            raise InputError(f"{where} has an empty '{key}'; fill it or leave it out")
    fields: dict[str, Any] = {key: value for key, value in row.items() if key != "id"}
    if not fields:
        raise InputError(f"{where} asks for nothing; give it text, image or sketch")
    if "text" in fields:
        fields["text"] = fields["text"].strip()
    for key in fields.keys() - {"text"}:
        fields[key] = _found(folder / fields[key], f"'{key}' of {where}")
    return Query(row.get("id", number), **fields)


def _found(path: Path, where: str) -> Path:
    """Return the path of an image's file, which must exist."""
    _checked(str(path), where)
    path = found_as_written(path)
    if fault := _fault_of(path):
        raise InputError(f"{where} is {path}, which {fault}; name an image's file")
    return path


def _fault_of(path: Path) -> str | None:
    """Return why a path that somebody typed is no file to be opened, or None."""
    try:
        kind = irregular(path)
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist"
    except (OSError, ValueError) as error:  # too long a name, no permission, a NUL
        return f"cannot be opened ({getattr(error, 'strerror', error)})"
    return f"is {kind}" if kind else None


def _checked(text: str, where: str) -> str:
    """Refuse what no UTF-8 file can hold, or no caption may."""
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError(f"{where} holds a NUL or half a character; write it in plain UTF-8")
    return text
