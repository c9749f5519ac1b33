"""Lists of published sets: where they lie, and FreeDom's form `path domain class`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from zscr.data.rules import repeated
from zscr.data.sources.domains.conversion import Entry
from zscr.data.sources.lookup import Disk
from zscr.data.sources.origin import numbered_lines, read_lines
from zscr.errors import InputError


def find_lists(
    source: Path,
    folder: Path,
    names: Sequence[str],
    belongs: Callable[[Path], bool] = lambda folder: True,
) -> Path:
    """Return the one folder, at or up to three below `folder`, that holds all of some lists.

    Args:
        source: what was named, for the error; folder: where it is opened.
        names: of the lists.
        belongs: says whether a folder with such lists is of the set that is wanted.

    Raises:
        InputError: none holds them, or several do.
    """
    below = [Path(one) for one in Disk().below(folder)]
    having = [one for one in below if all((one / name).is_file() for name in names)]
    found = [one for one in having if belongs(one)]
    if len(found) != 1:
        raise InputError(
            f"{source} holds {' and '.join(names)} in {len(found)} folders, not in one; name the "
            f"folder of one data set, with its lists and images"
        )
    return found[0]


def read_entries(path: Path, words: Mapping[str, str]) -> list[Entry]:
    """Read a list of `path domain class`, separated by spaces.

    Args:
        path: of the list.
        words: domain as it is listed -> the word that queries name it by.

    Raises:
        InputError: a line is something else, or names an image for the second time.
    """
    entries = []
    for number, line in numbered_lines(path):
        name, domain, class_id = (line.rsplit(" ", 2) + ["", ""])[:3]
        if domain not in words or not class_id:
            raise InputError(
                f"{path}, line {number} is {line!a:.80}, not a path, a domain of "
                f"{', '.join(words)}, and a class"
            )
        entries.append(Entry(name, class_id, words[domain]))
    refuse_repeated(path, [one.name for one in entries])
    return entries


def is_of(path: Path, words: Mapping[str, str]) -> bool:
    """Say whether the first line of a list names one of some domains."""
    fields = [line.rsplit(" ", 2) for line in read_lines(path)[:1]]
    return any(len(one) == 3 and one[1] in words for one in fields)


def refuse_repeated(path: Path, names: Sequence[str]) -> None:
    """Refuse a list that names an image twice, or none at all."""
    if twice := repeated(names):
        raise InputError(f"{path} names {len(twice)} images twice, such as {twice[0]}; mend it")
    if not names:
        raise InputError(f"{path} names no image; fetch it again")
