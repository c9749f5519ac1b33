"""Walking a folder for images: in a stable order, and everything else counted by its kind."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zscr.data.decoding.suffixes import SUFFIXES
from zscr.data.exclusion import (
    IGNORE_FILE,
    Exclusion,
    check_pattern,
    excludes,
    exclusion_of,
    ignored_in,
)

# Folders that hold no photos of their own: thumbnails and waste of NAS, macOS, Linux and Windows.
OTHERS = frozenset(
    "@eaDir @Recycle #recycle #snapshot __MACOSX $RECYCLE.BIN lost+found .git .thumbnails"
    " .@__thumb".split()
) | {"System Volume Information"}
_KIND = re.compile(r"\.[a-z0-9_]{1,10}")  # a suffix that tells a kind of file
_TOLD = 30  # kinds that a sentence names
_KINDS = 100  # that are counted apart


@dataclass(frozen=True)
class WalkRules:
    """Which part of a folder is looked at.

    Attributes:
        exclude: patterns of `.gitignore`'s form of what is left out.
        follow_links: whether folders are entered by symbolic links, each folder once.
        top: the folder above that patterns are relative to, and whose `.zscrignore` counts as
            well; None is the folder itself.

    Raises:
        ConfigError: a pattern that no index could remember.
    """

    exclude: tuple[str, ...] = ()
    follow_links: bool = False
    top: str | None = None

    def __post_init__(self) -> None:
        for pattern in self.exclude:
            check_pattern(pattern)


EVERYTHING = WalkRules()


@dataclass(frozen=True)
class FoundImage:
    """A file with an image's suffix: `path` as it was met, `real` without symbolic links."""

    path: Path
    real: Path


@dataclass
class Walk:
    """What is in a folder.

    Attributes:
        folder: without symbolic links.
        images: in the order of their names, folder by folder.
        passed: kind of what is no image, or was not looked at -> how many.
        unreadable: the folders that could not be read, of which it is unknown what they hold.
    """

    folder: Path
    images: list[FoundImage] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)
    unreadable: list[Path] = field(default_factory=list)


def walk(folder: Path, rules: WalkRules = EVERYTHING) -> Walk:
    """Find every image below a folder. Links to files are followed, to folders if `rules` say so.

    Hidden folders and files, and those of thumbnails and waste, are passed over: name such a
    folder itself to have it looked at. Nothing but images and `.zscrignore` files is opened.

    Raises:
        ConfigError, InputError: a pattern, or a `.zscrignore`, cannot be used.
    """
    found = Walk(folder.resolve())
    walker = _Walker(found, rules)
    if kind := walker.enter(str(found.folder), _exclusions(found.folder, rules), linked=False):
        found.passed[kind] += 1
    while walker.open:  # no recursion: a path of 4096 bytes may be 2000 folders deep
        here = walker.open[-1]
        entry = next(here.entries, None)
        if entry is None:
            walker.open.pop()
        elif kind := walker.look(entry, here):
            found.passed[kind] += 1
    _sum_rare(found.passed)
    return found


def _sum_rare(passed: Counter[str]) -> None:
    """Count the rarest kinds of files as others: a cache may have a million suffixes."""
    for kind, number in passed.most_common()[_KINDS:]:
        if kind.startswith("*."):
            del passed[kind]
            passed["other files"] += number


def _exclusions(folder: Path, rules: WalkRules) -> tuple[Exclusion, ...]:
    """Return what counts in a folder before its own `.zscrignore`."""
    top = Path(rules.top or folder)
    given = exclusion_of(str(top), rules.exclude) if rules.exclude else None
    above = [each for each in reversed(folder.parents) if each.is_relative_to(top)]
    return tuple(filter(None, (given, *(ignored_in(str(each)) for each in above))))


def find_images(folder: Path) -> Iterator[Path]:
    """Yield every image below `folder`, in a stable order; see `walk`."""
    top = folder.resolve()
    for image in walk(folder).images:
        yield folder / image.path.relative_to(top)


def passed_over(passed: Mapping[str, int]) -> str:
    """Return the counts as a phrase, most of them first: "12 *.mov, 2 hidden folders"."""
    ordered = sorted(passed.items(), key=lambda kind: (-kind[1], kind[0]))
    told = [f"{count:,} {kind}" for kind, count in ordered[:_TOLD]]
    rest = ordered[_TOLD:]
    if rest:
        told.append(f"{sum(count for _, count in rest):,} of {len(rest)} more kinds")
    return ", ".join(told)


@dataclass
class _Here:
    """A folder that is being walked; `linked`: its paths hold a link."""

    folder: Path
    entries: Iterator[os.DirEntry[str]]
    exclusions: tuple[Exclusion, ...]
    linked: bool


class _Walker:
    """The folders that are open, innermost last, and those that have been entered."""

    def __init__(self, found: Walk, rules: WalkRules) -> None:
        self.found, self.rules = found, rules
        self.open: list[_Here] = []
        self.entered: set[tuple[int, int]] = set()

    def enter(self, path: str, exclusions: tuple[Exclusion, ...], *, linked: bool) -> str | None:
        """Open a folder, each only once; return why it is passed over, or None."""
        try:
            about = os.stat(path)
            if (about.st_dev, about.st_ino) in self.entered:
                return "folders met twice"
            if not os.access(path, os.X_OK):  # names may be read then, but nothing behind them
                raise PermissionError
            with os.scandir(path) as entries:
                ordered = sorted(entries, key=lambda entry: entry.name)
        except OSError:
            self.found.unreadable.append(Path(path))
            return "unreadable folders"
        self.entered.add((about.st_dev, about.st_ino))
        own = ignored_in(path)
        inner = (*exclusions, *([own] if own else []))
        self.open.append(_Here(Path(path), iter(ordered), inner, linked))
        return None

    def look(self, entry: os.DirEntry[str], here: _Here) -> str | None:
        """Take an image, enter a folder, or return the kind of what is passed over."""
        try:
            link, folder, file = entry.is_symlink(), entry.is_dir(), entry.is_file()
        except OSError:
            return "unreadable links"  # a circle, or a target that may not be looked at
        if folder:
            return self._folder(entry, here, link)
        if entry.name == IGNORE_FILE:
            return None
        if not file:
            broken = link and not os.path.exists(entry.path)
            return "broken links" if broken else "pipes, sockets and devices"
        if kind := file_kind(entry.name):
            return kind
        if excludes(here.exclusions, entry.path, folder=False):
            return "excluded images"
        path = here.folder / entry.name  # which costs a third of parsing the whole path again
        real = Path(os.path.realpath(path)) if link or here.linked else path
        self.found.images.append(FoundImage(path, real))
        return None

    def _folder(self, entry: os.DirEntry[str], here: _Here, link: bool) -> str | None:
        if is_passed_over(entry.name):
            return f"{entry.name} folders" if entry.name in OTHERS else "hidden folders"
        if link and not self.rules.follow_links:
            return "linked folders"
        if excludes(here.exclusions, entry.path, folder=True):
            return "excluded folders"
        return self.enter(entry.path, here.exclusions, linked=link or here.linked)


def is_passed_over(name: str) -> bool:
    """Say whether folders of that name are passed over, unless they are named themselves."""
    return name.startswith(".") or name in OTHERS


def file_kind(name: str) -> str | None:
    """Return the kind of a file that is no image, such as "*.mov", or None for an image's name."""
    if name.startswith("._"):
        return "._* files"
    if name.startswith("."):
        return "hidden files"
    suffix = os.path.splitext(name)[1].lower()
    if suffix in SUFFIXES:
        return None
    return f"*{suffix}" if _KIND.fullmatch(suffix) else "other files"
