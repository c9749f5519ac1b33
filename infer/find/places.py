"""Where the indexes of folders are kept: `$ZSCR_HOME/indexes/<space>/<folder>`.

There is a folder for each space, so that indexes of two models never meet. In it an index is called
as its folder is, with a hash of the folder's path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zscr.artefact import MANIFEST, hash_bytes
from zscr.data.walk import is_passed_over
from zscr.errors import ArtefactError
from zscr.home import home_folder
from zscr.infer.index.index import Index
from zscr.infer.index.roots import lies_in
from zscr.progress import say

_SPACE, _HASH, _NAME = 16, 12, 40  # characters of a space, a path's hash and a folder's name


@dataclass(frozen=True)
class Place:
    """The index of a folder of images, which need not be there yet.

    Attributes:
        folder: of the images, without links.
        index: the index's folder.
    """

    folder: Path
    index: Path

    @property
    def is_there(self) -> bool:
        """Whether there is an index."""
        return (self.index / MANIFEST).is_file()

    @property
    def hashes(self) -> Path:
        """The file in which the hashes of the images' files are remembered."""
        return self.index.with_name(f"{self.index.name}.hashes.json")


def place_of(space: str, folder: Path) -> Place:
    """Return the place of a folder's own index."""
    return Place(folder, _indexes() / space[:_SPACE] / _name_of(folder))


def place_for(space: str, folder: Path) -> Place:
    """Return the innermost index that a folder belongs to, its own or of one above it.

    An index above does not hold what a walk passes over, as hidden folders: such have their own.
    """
    own = place_of(space, folder)
    inner = folder
    for above in folder.parents:
        if own.is_there or is_passed_over(inner.name):
            break
        if (found := place_of(space, above)).is_there:
            return found
        inner = above
    return own


def made_by_others(place: Place) -> list[str]:
    """Return the names of other models whose indexes hold a folder, its own or of those above.

    Those of indexes that cannot be read are not known: they are not needed, and are told.
    """
    names, inner = dict[str, None](), str(place.folder)
    for folder in (place.folder, *place.folder.parents):
        for path in sorted(_indexes().glob(f"*/{_name_of(folder)}/{MANIFEST}")):
            if path.parent.parent == place.index.parent:
                continue
            try:
                index = Index.open(path.parent)
            except ArtefactError as error:
                say(str(error))
                continue
            if any(lies_in(one, inner) for entry in index.entries for one in entry.places):
                names[index.bundle_name] = None
    return [*names]


def beside(place: Place) -> Iterator[Path]:
    """Yield the other indexes of the same space."""
    for manifest in sorted(place.index.parent.glob(f"*/{MANIFEST}")):
        if manifest.parent != place.index:
            yield manifest.parent


def _indexes() -> Path:
    return home_folder().absolute() / "indexes"


def _name_of(folder: Path) -> str:
    start = folder.name[:_NAME] or "root"
    return f"{start}-{hash_bytes(os.fsencode(folder))[:_HASH]}"
