"""Published lists of sketch retrieval: classes with their numbers, images with their class's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from zscr.data.sources.domains.conversion import Entry
from zscr.data.sources.origin import numbered_lines
from zscr.errors import InputError

_NUMBERED = re.compile(r"(.*\S)\s+([0-9]{1,9})")  # names and paths may have spaces


@dataclass(frozen=True)
class ClassList:
    """A list of classes; numbers are its own, and begin anew in the next one.

    Attributes:
        names: number -> class; places: class -> the list and the line that names it.
    """

    path: Path
    names: Mapping[int, str]
    places: Mapping[str, str]


def read_classes(path: Path) -> ClassList:
    """Read a list of lines `<class> <number>`.

    Raises:
        InputError: a line is something else, a class or number occurs twice, or there is none.
    """
    names, places = dict[int, str](), dict[str, str]()
    for place, name, number in _numbered(path, "a class and its number"):
        if name in places or number in names:
            what = f"class '{name}'" if name in places else f"number {number}"
            raise InputError(f"{place} has the {what} for the second time; keep it in one line")
        names[number], places[name] = name, place
    return ClassList(path, names, places)


def require_disjoint(seen: ClassList, unseen: ClassList) -> None:
    """Refuse a class that is trained on and judged on.

    Raises:
        InputError: there is one; names both lines.
    """
    for name in (name for name in unseen.places if name in seen.places):
        raise InputError(
            f"{unseen.places[name]} has the class '{name}', which is a seen one by "
            f"{seen.places[name]}; keep it in one of them"
        )


def read_images(path: Path, classes: ClassList, domain: str) -> list[Entry]:
    """Read a list of lines `<path> <number of the class>`.

    Args:
        path: of the list.
        classes: the list of classes that the numbers are of.
        domain: `photo` or `sketch`.

    Raises:
        InputError: a line is something else, its number is no class's, or there is none.
    """
    entries = []
    for place, name, number in _numbered(path, "a path and the number of its class"):
        if number not in classes.names:
            raise InputError(
                f"{place} has the number {number}, which is no class of {classes.path.name}; take "
                f"both lists from the same split"
            )
        entries.append(Entry(name, classes.names[number], domain, place))
    return entries


def require_once(entries: Iterable[Entry]) -> None:
    """Refuse an image that lists name twice: it would be trained on and judged on, or count twice.

    Raises:
        InputError: there is one; names both lines.
    """
    places = dict[str, str]()
    for one in entries:
        if one.name in places:
            raise InputError(
                f"{one.place} names {one.name!a:.80}, as {places[one.name]} does; remove one line"
            )
        places[one.name] = one.place


def _numbered(path: Path, what: str) -> Iterator[tuple[str, str, int]]:
    """Yield of each line its place, the text before the last white space, and the number there."""
    lines = numbered_lines(path)
    if not lines:
        raise InputError(f"{path} is empty; fetch it again")
    for line_number, line in lines:
        place, found = f"{path}, line {line_number}", _NUMBERED.fullmatch(line)
        if found is None:
            raise InputError(f"{place} is {line!a:.80}, not {what}; correct it")
        yield place, found[1], int(found[2])
