"""Reading queries from captions and JSON Lines, streamed, nothing dropped unseen.

A line that is no query is handed out with the reason, in its place, so that there are as many
answers as queries; a file that is of another kind altogether is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from zscr.data.records import Query, Refused
from zscr.errors import InputError
from zscr.infer.lines import Line, Lines
from zscr.infer.query_rows import checked_text, fault_of, found_image, query_of

if TYPE_CHECKING:
    from PIL import Image

# How a table of images and captions begins: "image,caption", or "1.jpg#0<tab>A child in pink".
_CELLS = re.compile("[,;\t|]")
_FILE = re.compile(
    r".*\.(jpe?g|jfif|png|webp|gif|bmp|tiff?|avif|hei[cf]|jp2)(#\d+)?", re.IGNORECASE
)
_HEAD = re.compile(r"\w*|(image|img|photo|file|comment) (name|id|path|number)", re.IGNORECASE)
_IMAGE = re.compile(r"((image|img|photo|file)[ _]?(name|id|path)?|id|url|\w+_id)", re.IGNORECASE)
_CAPTION = re.compile(r"(raw_?)?(caption|text|comment|sentence|description|title|raw)s?", re.I)


@dataclass
class QueryFile:
    """Queries to iterate over, read as they are asked for; a `Refused` for a line that is none.

    Attributes:
        source: a file, or an open binary stream such as `sys.stdin.buffer`.
        compose: of queries that fill several fields and name no composition themselves.
        skipped: empty lines passed over so far; final once the iteration has ended.

    Raises:
        InputError: while iterating, if the file is of another kind, or holds no query at all.
    """

    source: Path | BinaryIO
    compose: str | None = None
    skipped: int = field(default=0, init=False)

    @property
    def name(self) -> str:
        """What messages call it: the path, or the stream's name."""
        is_path = isinstance(self.source, Path)
        return str(self.source if is_path else getattr(self.source, "name", "the input"))

    @property
    def is_mixed(self) -> bool:
        """Whether its queries may be of any fields, or are captions alone."""
        return _json_lines(self.source) is not None

    def __iter__(self) -> QueryReader:
        return QueryReader(self)


class QueryReader:
    """One pass over a file of queries."""

    def __init__(self, file: QueryFile) -> None:
        self._file, self._lines = file, Lines(file.source, file.name)
        path = _json_lines(file.source)
        self._queries = self._objects(path.parent) if path else self._captions()

    def __iter__(self) -> QueryReader:
        return self

    def __next__(self) -> Query | Refused:
        return next(self._queries)

    @property
    def waiting(self) -> bool:
        """Whether a line can be had at once, without waiting for whoever writes the stream."""
        return self._lines.waiting

    def _captions(self) -> Iterator[Query | Refused]:
        first = True
        for number, line in self._filled():
            if first:
                _refuse_tables(line)
            first = False
            query = Query(str(number), text=line.text)
            yield Refused(query, line.fault) if line.fault else query

    def _objects(self, folder: Path) -> Iterator[Query | Refused]:
        seen: dict[str, int] = {}  # a query's id -> its line
        for number, line in self._filled():
            if not seen and line.text in ("[", "{"):
                raise InputError(
                    f"{line.where} begins a JSON document of several lines; write an object a line"
                )
            if line.fault:
                found: Query | Refused = Refused(Query(str(number), text=line.text), line.fault)
            else:
                found = self._composed(query_of(line, str(number), folder))
            query = found if isinstance(found, Query) else found.query
            if isinstance(found, Query) and query.id in seen:
                twice = f"as line {seen[query.id]} has (without one, it is the line's number)"
                fault = f"{line.where} has the id {query.id[:40]!r}, {twice}; give it its own"
                found = Refused(query, fault)
            seen.setdefault(query.id, number)
            yield found

    def _composed(self, query: Query | Refused) -> Query | Refused:
        """Let the file's composition answer a query of several fields that names none."""
        if isinstance(query, Refused) or query.compose or len(query.fields) < 2:
            return query
        return replace(query, compose=self._file.compose)

    def _filled(self) -> Iterator[tuple[int, Line]]:
        """Yield the number and the content of each line that is not empty; count the others."""
        self._file.skipped = number = 0
        for number, line in enumerate(self._lines, 1):
            if line.text or line.fault:
                yield number, line
            else:
                self._file.skipped += 1
        if number == self._file.skipped:
            held = f"only {number} empty lines" if number else "nothing"
            raise InputError(f"{self._file.name} holds {held}; write a query on each line")


def read_queries(source: Path | BinaryIO, compose: str | None = None) -> QueryFile:
    """Prepare to read a file of queries; empty lines are skipped and counted.

    A file whose name ends in `.jsonl` holds one JSON object a line, with the keys `text`, `image`
    and `sketch`, at least one of them, and `id` (by default the line's number), `instead_of` and
    `compose`, all of them strings. An image's path is relative to the file's folder. The ids are
    kept while reading, to find one that is there twice. Anything else, and every stream, holds one
    caption a line, whose id is the line's number.

    What is checked as lines are read: UTF-8 without NUL, line ends LF or CRLF, at most 1 MiB a
    line; and in JSON Lines the keys, the types, that ids differ and that the images' files exist.

    Args:
        source: a file, or an open binary stream.
        compose: the composition of queries of several fields that name none.

    Raises:
        InputError: the file is missing or a folder, or cannot be looked at, or captions are to be
            composed.
    """
    if isinstance(source, Path):
        fix = "name a text file with one caption a line, or a .jsonl file with one query a line"
        if fault := fault_of(source):
            raise InputError(f"{source} {fault}; {fix}")
    file = QueryFile(source, compose)
    if compose is not None and not _json_lines(source):
        raise InputError(
            f"{file.name} holds captions alone, of which '{compose}' can compose nothing; leave it "
            f"out, or name a .jsonl file of images and texts"
        )
    return file


def _json_lines(source: Path | BinaryIO) -> Path | None:
    """Return the path of a file of JSON Lines, as its name says; None for one of captions."""
    return source if isinstance(source, Path) and source.suffix.lower() == ".jsonl" else None


def make_query(
    text: str | None = None,
    image: Path | None = None,
    sketch: str | Path | Image.Image | None = None,
    instead_of: str | None = None,
    compose: str | None = None,
) -> Query:
    """Make the one query of a command line, with the id "1".

    Raises:
        InputError: a file does not exist, a text is blank, a text or path holds what UTF-8
            cannot, or nothing is given.
    """
    given = {"image": image, "sketch": sketch}
    found: dict[str, Any] = {
        name: found_image(Path(value), f"--{name}") if isinstance(value, str | Path) else value
        for name, value in given.items()
        if value is not None
    }
    for name, words in {"text": text, "instead_of": instead_of}.items():
        if words is not None:
            found[name] = _caption(words, f"--{name.replace('_', '-')}")
    return Query("1", compose=compose, **found)


def _caption(text: str, where: str) -> str:
    """Return a text as one caption, if it is on two lines, too."""
    caption = " ".join(checked_text(text, where).split())
    if not caption:
        raise InputError(f"{where} is empty; give it words or leave it out")
    return caption


def _refuse_tables(line: Line) -> None:
    """Refuse a file of captions whose first line shows that it is of another kind.

    Raises:
        InputError: it is JSON Lines under another name, or a table of images with captions.
    """
    if _is_object(line.text):
        raise InputError(
            f"{line.where} is a JSON object, not a caption; save such queries as a file whose "
            f"name ends in .jsonl and name that"
        )
    if _is_table(line.text):
        raise InputError(
            f"{line.where} names an image beside its caption ({line.text[:40]!r}); give captions "
            f"alone: cut -d, -f2- (or cut -f2-, where tabs are between), without a header"
        )


def _is_table(text: str) -> bool:
    """Say whether a line is the header or the first row of a table of images and captions."""
    cells = [cell.strip(" \"'") for cell in _CELLS.split(text)]
    if len(cells) < 2:
        return False
    if _FILE.fullmatch(cells[0]) or _FILE.fullmatch(cells[-1]):
        return True
    named = all(map(_HEAD.fullmatch, cells)) and any(map(_IMAGE.fullmatch, cells))
    return named and any(map(_CAPTION.fullmatch, cells))


def _is_object(text: str) -> bool:
    """Say whether a line is an object of JSON, as JSON Lines under another name begin."""
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
