"""Images that a data set's lists name: found wherever its copy keeps them, missing ones counted.

Every copy of a data set lies otherwise: below `data/` or not, the lists beside the images or above
them, `hot air balloon` as published or `hot_air_balloon` as a script renamed it. Names are mapped,
nothing on the disk is renamed.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

from zscr.data.draft import Draft
from zscr.data.images import fault
from zscr.data.rules import repeated
from zscr.data.sources.lookup import Disk, Parts
from zscr.errors import InputError
from zscr.names import name_fault

# Where no second name can be given: another disk, a disk without links, too many, not allowed.
_NO_LINKS = {errno.EXDEV, errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EACCES}


@dataclass(frozen=True)
class Located:
    """Where the images of some lists are.

    Attributes:
        files: name in the lists -> its file, in the order of the lists.
        missing: the names of which there is no file.
    """

    files: Mapping[str, Path]
    missing: tuple[str, ...]

    def narrowed(self, names: Container[str]) -> Located:
        """Return it of some of the names."""
        files = {name: file for name, file in self.files.items() if name in names}
        return Located(files, tuple(name for name in self.missing if name in names))

    def require(self, source: Path, *, skip: bool, places: Mapping[str, str] | None = None) -> None:
        """Refuse a source that lacks images, unless these are to be skipped.

        Args:
            source: that holds the lists.
            skip: whether missing images are left out.
            places: name -> the list and the line that name it, where they are known.

        Raises:
            InputError: some are missing and `skip` is false, or all are.
        """
        count = len(self.files) + len(self.missing)
        if not self.missing or (skip and self.files):
            return
        told = [f"{one} ({places[one]})" if places else one for one in self.missing[:3]]
        first = ", ".join(told) + (", …" if len(self.missing) > 3 else "")
        mend = "fetch them, or leave them out with --skip-missing" if self.files else "fetch them"
        raise InputError(
            f"{source} lacks {len(self.missing)} of the {count} images that its lists name, the "
            f"first are {first}; {mend}"
        )


def locate(names: Iterable[str], top: Path, suffixes: Sequence[str] = ("",)) -> Located:
    """Find the images that lists name, at or below a folder.

    The names of one folder are relative to a folder that is the same for all of them, perhaps
    without the first of their parts; that is chosen which most of them are found by. Their
    remaining parts must still tell all names of the lists apart, so that no image is taken for
    another one. Spaces and `_` are alike where no file is called as it is written.

    Args:
        names: relative paths with `/`.
        top: the folder that holds everything.
        suffixes: what may be behind a name, such as `.png` or `.jpg`, in the order of preference.

    Raises:
        InputError: a name leads out of the folder, means several files, or a file two names.
    """
    parts_of = {name: PurePosixPath(name).parts for name in names}
    _refuse_unsafe(parts_of)
    groups: dict[Parts, list[Parts]] = defaultdict(list)
    for parts in parts_of.values():
        groups[parts[:-1][:2]].append(parts)
    disk, kept, bases = Disk(suffixes), _fewest_parts(parts_of.values()), list[_Base]()
    found: dict[Parts, Path] = {}
    for group in groups.values():
        base = _base(group, bases, disk, top, kept)
        files = {parts: base.find(disk, parts) for parts in group} if base else {}
        found |= {parts: file for parts, file in files.items() if file}
    _refuse_shared(found)
    files_of = {name: found[parts] for name, parts in parts_of.items() if parts in found}
    return Located(files_of, tuple(name for name, parts in parts_of.items() if parts not in found))


@dataclass(frozen=True)
class _Base:
    """A folder that names are relative to, without the first `dropped` of their parts."""

    folder: str
    dropped: int

    def find(self, disk: Disk, parts: Parts) -> Path | None:
        """Return the file of a name, if there is one."""
        return disk.find(self.folder, parts[self.dropped :])

    def counted(self, disk: Disk, parts: Parts) -> float:
        """Return 1 where there is such a file, and 1/2 where it is unclear which is meant."""
        try:
            return float(self.find(disk, parts) is not None)
        except InputError:
            return 0.5


def _base(
    group: Sequence[Parts], known: list[_Base], disk: Disk, top: Path, kept: int
) -> _Base | None:
    """Return what most names of a group are found by, and keep it in mind for other groups."""
    best, hits = None, 0.0
    for base in chain(known, _bases(group, disk, top, kept)):
        count = sum(base.counted(disk, parts) for parts in group)
        if count > hits:
            best, hits = base, count
        if hits == len(group):
            break
    if best and best not in known:
        known.append(best)
    return best


def _bases(group: Sequence[Parts], disk: Disk, top: Path, kept: int) -> Iterator[_Base]:
    """Yield what names may be relative to: folders that hold the first of their remaining parts."""
    for dropped in range(min(map(len, group)) - kept + 1):
        first = {parts[dropped] for parts in group}
        for folder in disk.below(top):
            if any(disk.holds(folder, part) for part in first):
                yield _Base(folder, dropped)


def _fewest_parts(names: Iterable[Parts]) -> int:
    """Return how many of their last parts still tell all names apart."""
    names = set(names)
    longest = max(map(len, names), default=1)
    tails = ({parts[-count:] for parts in names} for count in range(1, longest))
    return next((n for n, found in enumerate(tails, 1) if len(found) == len(names)), longest)


def _refuse_unsafe(names: Mapping[str, Parts]) -> None:
    for name, parts in names.items():
        if why := name_fault("/".join(parts)):
            raise InputError(f"the lists name the image {name!a:.80}, which {why}; correct it")


def _refuse_shared(found: Mapping[Parts, Path]) -> None:
    if len({*found.values()}) < len(found):
        twice = repeated(map(str, found.values()))
        raise InputError(
            f"{len(twice)} images are meant by two names each, the first is {twice[0]}"
        )


def add_image(draft: Draft, file: Path, name: str) -> str | None:
    """Put an image into a collection as `images/<name>`, or record why it cannot be used.

    A published data set is not edited, and may be larger than what is left of the disk: so the
    file gets a second name where the disk allows that (a hard link), and is copied elsewhere.

    Returns:
        Its name in the collection, or None where it was skipped.
    """
    target = f"images/{PurePosixPath(name).as_posix()}"
    if reason := name_fault(target) or fault(file):
        draft.skip(name, reason)
        return None
    place = draft.folder / target
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        link_or_copy(file.resolve(), place)
    return target


def link_or_copy(file: Path, place: Path) -> None:
    """Give a file a second name, or copy it where that is impossible, such as to another disk."""
    try:
        os.link(file, place)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(file, place)
