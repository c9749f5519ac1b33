"""The folders that an index's images lie in: what images are called by, and found again by.

A root has a name, by which the ids of its images begin, and which never changes. Where it lies is
kept as a whole path and relative to the index, so that either may be moved with the other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from zscr.data.names import is_utf8, nfc
from zscr.data.walk import EVERYTHING, WalkRules
from zscr.schema import PATH, flag, integer, listing, mapping, record, text

if TYPE_CHECKING:
    from zscr.data.listing import Listing
    from zscr.data.walk import Walk

ROOT = record(
    {
        "name": text(1000, least=1, controls=True),
        "path": text(8192, "/.*", controls=True),
        "relative": PATH,
        "whole": flag,
        "passed": mapping(integer(0, 1 << 53)),
        "exclude": listing(PATH, most=10_000),
        "follow_links": flag,
    }
)


@dataclass(frozen=True)
class Root:
    """A folder of images.

    Attributes:
        name: unique in the index, without `/`.
        path: where it is, absolute and without links.
        whole: whether it has all that lies below; else only files in it that were named.
        passed: kind of what was passed over when it was last walked -> how many.
        rules: of that walk.
    """

    name: str
    path: str
    whole: bool = True
    passed: Mapping[str, int] = field(default_factory=dict, hash=False)
    rules: WalkRules = EVERYTHING

    @property
    def is_there(self) -> bool:
        """Whether its folder is: its disk may be elsewhere, or the index be copied without it."""
        return os.path.isdir(self.path)

    def holds(self, place: str) -> bool:
        """Say whether a file or folder belongs to it."""
        if not self.whole:
            return os.path.dirname(place) == self.path
        return lies_in(place, self.path)

    def below(self, place: str) -> str:
        """Return the path of what it holds, relative to it."""
        inside = f"{self.path.rstrip('/')}/"
        if place.startswith(inside):  # both are whole and without links: relpath is for others
            return place.removeprefix(inside)
        return os.path.relpath(place, self.path)

    def place(self, below: str) -> str:
        """Return the whole path of a relative one.

        Raises:
            ValueError: that would lead out of the folder.
        """
        parts = PurePosixPath(below)
        if parts.is_absolute() or ".." in parts.parts or not parts.parts:
            raise ValueError(f"{below!r} is no path below the root {self.name}")
        return os.path.join(self.path, below)


def lies_in(place: str, folder: str) -> bool:
    """Say whether a path without links is a folder's own or lies in it, at any depth."""
    return place == folder or place.startswith(folder.rstrip("/") + "/")


def root_of(roots: Sequence[Root], place: str) -> Root | None:
    """Return the innermost root that holds a file, which may lie where a root itself once was."""
    held = [root for root in roots if root.holds(place) and root.path != place]
    return max(held, key=lambda root: len(root.path), default=None)


def id_of(root: Root, place: str) -> str:
    """Return what a file is called: the root's name and the path below it, composed (NFC)."""
    return f"{root.name}/{nfc(root.below(place))}"


def grown(
    roots: Sequence[Root], listing: Listing, rules: Callable[[Root], WalkRules]
) -> tuple[Root, ...]:
    """Return the roots with those that listed images need; a walked one remembers `rules`.

    A folder inside of a root needs none of its own. Of folders that are named together the outer
    ones come first; files that are named alone make a root of their folder, for such files only.
    """
    all_roots = tuple(roots)
    for walked in sorted(listing.folders, key=lambda walked: len(walked.folder.parts)):
        all_roots = _with_folder(all_roots, walked, rules)
    for path in listing.named:
        if is_utf8(path) and root_of(all_roots, str(path)) is None:
            all_roots = (*all_roots, new_root(all_roots, path.parent, whole=False))
    return all_roots


def _with_folder(
    roots: tuple[Root, ...], walked: Walk, rules: Callable[[Root], WalkRules]
) -> tuple[Root, ...]:
    path, known = str(walked.folder), {root.path: root for root in roots}
    if not is_utf8(walked.folder):
        return roots  # none of its images can be kept
    if path not in known and any(root.whole and root.holds(path) for root in roots):
        return roots
    root = known.get(path) or new_root(roots, walked.folder)
    looked = replace(root, whole=True, passed=dict(walked.passed), rules=rules(root))
    return tuple((known | {path: looked}).values())


def new_root(
    roots: Sequence[Root], folder: Path, *, name: str | None = None, whole: bool = True
) -> Root:
    """Make a root of a folder, called as the folder is, or as `name` says.

    Where a root is called so already, `@` and the name of the folder above is added, as often as
    need be: `DCIM`, then `DCIM@card2`. The older one keeps its name, and its images their ids.
    """
    taken = {root.name for root in roots}
    name = (name or nfc(folder.name)).replace("/", "_") or "root"
    for parent in folder.parents:
        if name not in taken or not parent.name:
            break
        name += f"@{nfc(parent.name)}"
    numbered = (f"{name}@{number}" for number in count(2))
    unique = name if name not in taken else next(each for each in numbered if each not in taken)
    return Root(unique, str(folder), whole)


def root_row(root: Root, index: Path) -> dict[str, Any]:
    """Return a root as the manifest of the index in the folder `index` holds it."""
    row: dict[str, Any] = {"name": root.name, "path": root.path}
    row |= {"relative": os.path.relpath(root.path, index.resolve()), "whole": root.whole}
    row |= {"passed": dict(root.passed), "exclude": [*root.rules.exclude]}
    return row | {"follow_links": root.rules.follow_links}


def root_from(row: Mapping[str, Any], index: Path) -> Root:
    """Read a root: it is where it was as seen from the index, or where it was as a whole path.

    An index that was moved or copied with its images has those beside it. The name is compared,
    since from an index that was moved alone the same way may lead to some other folder.

    Raises:
        KeyError, TypeError, ValueError: the row holds something else.
    """
    path, beside = row["path"], os.path.join(index.resolve(), row["relative"])
    if not os.path.isabs(path) or "/" in row["name"]:
        raise ValueError(f"root {row['name']!r} at {path!r}")
    named = os.path.basename(os.path.normpath(beside)) == os.path.basename(path)
    if os.path.isdir(beside) and (named or not os.path.isdir(path)):
        path = os.path.realpath(beside)
    rules = WalkRules(tuple(row["exclude"]), row["follow_links"])
    return Root(row["name"], path, row["whole"], dict(row["passed"]), rules)
