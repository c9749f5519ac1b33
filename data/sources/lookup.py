"""Names of files looked up below folders, each folder read once."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from zscr.data.names import nfc
from zscr.data.walk import OTHERS
from zscr.errors import InputError

_DEPTH = 3  # of folders below a source that names may be relative to

Parts = tuple[str, ...]


class Disk:
    """Folders and what is in them, each read once, so that many names are looked up quickly."""

    def __init__(self, suffixes: Sequence[str] = ("",)) -> None:
        self._suffixes = suffixes
        self._names: dict[str, frozenset[str]] = {}
        self._alike: dict[str, dict[str, list[str]]] = {}  # folder -> folded name -> names
        self._below: dict[Path, list[str]] = {}

    def find(self, folder: str, parts: Parts) -> Path | None:
        """Return the file of a name below a folder, or None.

        Raises:
            InputError: a part of it could be one of several files or folders.
        """
        for suffix in self._suffixes:
            place = folder
            for part in (*parts[:-1], parts[-1] + suffix):
                meant = self._meant(place, part)
                if len(meant) > 1:
                    both = " or ".join(f"{name!a:.80}" for name in sorted(meant)[:2])
                    raise InputError(f"{part!a:.80} could be {both} of {place}; rename one")
                if not meant:
                    break
                place = f"{place}/{meant[0]}"
            else:
                if os.path.isfile(place):  # no folder, and no link to what is gone
                    return Path(place)
        return None

    def holds(self, folder: str, part: str) -> bool:
        """Say whether anything in a folder could be meant by a part of a name."""
        return any(self._meant(folder, part + suffix) for suffix in ("", *self._suffixes))

    def below(self, top: Path) -> list[str]:
        """Return a folder and those up to `_DEPTH` below it, the upper ones first."""
        if top not in self._below:
            level = found = [str(top)]
            for _ in range(_DEPTH):
                inner = (f"{one}/{name}" for one in level for name in sorted(self._listed(one)))
                level = [one for one in inner if _holds_images(one)]
                found = found + level
            self._below[top] = found
        return self._below[top]

    def _meant(self, folder: str, part: str) -> Sequence[str]:
        """Return what a part of a name means in a folder: as it is written, else what is alike."""
        if part in self._listed(folder):
            return [part]
        if folder not in self._alike:
            self._alike[folder] = defaultdict(list)
            for name in self._listed(folder):
                self._alike[folder][folded(name)].append(name)
        return self._alike[folder].get(folded(part), [])

    def _listed(self, folder: str) -> frozenset[str]:
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))
            except (FileNotFoundError, NotADirectoryError):
                self._names[folder] = frozenset()
            except OSError as error:
                raise InputError(f"{folder} cannot be looked into ({error.strerror})") from error
        return self._names[folder]


def _holds_images(path: str) -> bool:
    """Say whether a folder is of the data set, unlike the second tree in the ZIPs of macOS."""
    return os.path.basename(path) not in OTHERS and os.path.isdir(path)


def folded(name: str) -> str:
    """Return a name as copies of a data set may spell it alike: spaces and `_` do not matter."""
    return nfc(name).replace(" ", "").replace("_", "")
