"""Sentences of a file: one a line, or a column of a table; what was passed over is counted."""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from zscr.errors import InputError
from zscr.progress import say
from zscr.regular import open_regular
from zscr.strict_json import parse_json

COLUMNS = ("text", "caption", "title")  # that are read where none is named, the first there is
LONGEST = 1 << 16  # bytes of a line: a sentence has some hundred
_SEPARATORS = {".tsv": "\t", ".csv": ","}
_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Sentences:
    """Sentences in the order of their file, and what was passed over: reason -> how many."""

    texts: tuple[str, ...]
    passed: Mapping[str, int]


def read_sentences(path: Path, column: str = "") -> Sentences:
    """Read sentences in UTF-8: a line each of a text file, or a column of TSV, CSV or JSON Lines.

    TSV is read as Conceptual Captions is written, a row a line without quotes; CSV may quote.
    Lines without a sentence, that are not UTF-8 or are over 65,536 bytes long, rows without the
    column, and lines of JSON that are no object are passed over, counted, and told.

    Args:
        path: the suffix says what it is: `.tsv`, `.csv`, `.jsonl` or `.ndjson`, any other is text.
        column: of a table; "" takes the first of `text`, `caption` and `title` that there is, or
            the only one.

    Raises:
        InputError: no file that can be read, without that column, or without any sentence.
    """
    passed: Counter[str] = Counter()
    try:
        with open_regular(path) as file:
            found = [text for text in _read(path, column, _lines(file, passed), passed) if text]
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); name a file of texts"
        ) from error
    passed = +passed
    if not found:
        raise InputError(f"{path} holds no sentence{_told(passed)}; write one a line")
    if passed:
        say(f"{path}: {len(found)} sentences{_told(passed)}")
    return Sentences(tuple(found), dict(passed))


def _told(passed: Mapping[str, int]) -> str:
    counts = ", ".join(f"{count} {reason}" for reason, count in passed.items())
    return f" (passed over: {counts})" if counts else ""


def _read(
    path: Path, column: str, lines: Iterator[str], passed: Counter[str]
) -> Iterator[str | None]:
    """Yield the sentences; None where one was passed over, and counted."""
    suffix = path.suffix.lower()
    if suffix in _LINES:
        yield from _of_objects(path, column, lines, passed)
    elif suffix in _SEPARATORS:
        yield from _of_rows(path, column, _rows(path, suffix, lines), passed)
    elif column:
        raise InputError(
            f"{path} is a text file, which has no column {column!r}; leave the column out, or name "
            f"the file .tsv, .csv or .jsonl"
        )
    else:
        for line in lines:
            yield _counted(line, passed)


def _lines(file: IO[bytes], passed: Counter[str]) -> Iterator[str]:
    """Yield the lines that are UTF-8 and not too long, in bounded memory."""
    first = True
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST:
            passed[f"over {LONGEST} bytes long"] += 1
            while line and not line.endswith(b"\n"):
                line = file.readline(LONGEST)
            continue
        try:
            yield line.decode("utf-8-sig" if first else "utf-8")
        except UnicodeDecodeError:
            passed["not UTF-8"] += 1
        first = False


def _rows(path: Path, suffix: str, lines: Iterator[str]) -> Iterator[Sequence[str]]:
    """Yield the rows of a table, the names of its columns first."""
    if suffix == ".tsv":
        yield from (line.rstrip("\r\n").split("\t") for line in lines)
        return
    csv.field_size_limit(min(sys.maxsize, LONGEST))
    reader = csv.reader(lines, strict=True)
    try:
        yield from reader
    except csv.Error as error:
        raise InputError(
            f"{path}, line {reader.line_num}: {error}; quote it as CSV does"
        ) from error


def _of_rows(
    path: Path, column: str, rows: Iterator[Sequence[str]], passed: Counter[str]
) -> Iterator[str | None]:
    place = -1
    for row in rows:
        if place < 0:
            place = [*row].index(_column(path, column, row))
        elif place >= len(row):
            passed["without the column"] += 1
        else:
            yield _counted(row[place], passed)


def _of_objects(
    path: Path, column: str, lines: Iterator[str], passed: Counter[str]
) -> Iterator[str | None]:
    for line in lines:
        if not line.strip():
            yield _counted(line, passed)
            continue
        try:
            row = parse_json(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            passed["no JSON object"] += 1
            continue
        column = column or _column(path, column, [*row])
        if isinstance(value := row.get(column), str):
            yield _counted(value, passed)
        else:
            passed["without the column"] += 1


def _column(path: Path, wanted: str, columns: Sequence[str]) -> str:
    """Return the name of the column to read."""
    known = [name for name in ((wanted,) if wanted else COLUMNS) if name in columns]
    if not wanted and not known and len(columns) == 1:
        return columns[0]
    if not known:
        shown = ", ".join(repr(name[:40]) for name in columns[:8]) or "none"
        sought = repr(wanted) if wanted else f"any of {', '.join(COLUMNS)}"
        raise InputError(
            f"{path} has no column {sought}; it has {shown}: name one of these (a TSV or CSV "
            f"begins with a line of their names)"
        )
    return known[0]


def _counted(text: str, passed: Counter[str]) -> str | None:
    text = " ".join(text.split())
    if not text:
        passed["blank"] += 1
    return text or None
