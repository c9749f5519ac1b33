"""Indexes whose folder was moved or renamed: found again by the contents of its images."""

from __future__ import annotations

import os
from collections.abc import Sequence

from zscr.data.listing import Listing
from zscr.errors import ArtefactError, InputError
from zscr.infer.find.places import Place, beside
from zscr.infer.index.index import Index
from zscr.infer.index.indexing import alone
from zscr.infer.index.relocate import relocate_root
from zscr.progress import say


def alike(place: Place, listing: Listing) -> list[Index]:
    """Return the other indexes of the space that hold a content which was listed.

    Those that cannot be read are told: they cost no answer, only that images are embedded again.
    """
    contents = {file.sha256 for file in listing.files}
    found = []
    for folder in beside(place):
        try:
            index = Index.open(folder)
        except ArtefactError as error:
            say(f"{error}; until then its embeddings cannot be taken over")
            continue
        if any(entry.sha256 in contents for entry in index.entries):
            found.append(index)
    return found


def taken_over(place: Place, listing: Listing, others: Sequence[Index]) -> str | None:
    """Let a folder have the index of a folder that is gone, if at least half of that is in it.

    Returns:
        Where that folder was; None if there is no such index.

    Raises:
        ArtefactError: the index cannot be written to.
    """
    contents = {file.sha256 for file in listing.files}

    def share(index: Index) -> float:
        return sum(entry.sha256 in contents for entry in index.entries) / index.count

    lost = [each for each in others if len(each.roots) == 1 and not each.roots[0].is_there]
    for index in sorted(lost, key=share, reverse=True):
        if share(index) >= 0.5 and _moves(index, place):
            return index.roots[0].path
    return None


def _moves(index: Index, place: Place) -> bool:
    """Let an index be that of a place, unless another process has just made it one."""
    with alone(place.index), alone(index.folder):
        if place.is_there or not index.folder.exists():
            return place.is_there
        try:
            relocate_root(index.folder, index.roots[0].name, place.folder)
        except InputError:  # no image has the path that it had: a folder of copies, put otherwise
            return False
        Place(place.folder, index.folder).hashes.unlink(missing_ok=True)
        os.rename(index.folder, place.index)
    return True
