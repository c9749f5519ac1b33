"""Taking images out of an index, by their ids or places."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from zscr.data.names import nfc
from zscr.errors import InputError
from zscr.infer.index.change import Change
from zscr.infer.index.index import Index
from zscr.infer.index.placement import place
from zscr.infer.index.plan import make_plan
from zscr.infer.index.report import ChangeReport, report_of
from zscr.infer.index.roots import lies_in, root_of


def remove_images(
    folder: Path, named: Sequence[str], *, dry_run: bool = False, threads: int = 1
) -> ChangeReport:
    """Remove images from the index `folder`; their files stay where they are.

    Images that were skipped leave the list of such by their paths.

    Args:
        folder: of the index.
        named: ids, or paths of files and folders, which need not be there any more. Of an entry
            with several places, a path takes that place alone.
        dry_run: only count.
        threads: for building HNSW anew.

    Returns:
        How many were removed, and of how many one of several places.

    Raises:
        InputError: nothing in the index has such a name, two images have it, one as its id and
            one as its path, or nothing would be left.
        ArtefactError: the folder is no index, or another writer is busy.
    """
    index = Index.open(folder.resolve())
    lost, skipped = _places(index, named)
    pathless = {entry.id for entry in index.entries if not entry.places} & set(named)
    plan = make_plan(index.entries, {}, index.roots, gone=lost.__contains__, link=index.linked)
    removals = [*plan.removals, *pathless]
    placed = place(index.entries, plan.upserts, removals)  # refuses to remove all
    if dry_run:
        return report_of(placed, index.generation)
    by_content = {entry.sha256: entry.id for entry in index.entries}
    vectors, features = index.embedded([by_content[entry.sha256] for entry in plan.upserts])
    left = {
        root_of(index.roots, each) for entry in placed.after(index.entries) for each in entry.places
    }
    change = Change(
        plan.upserts,
        vectors,
        features=features,
        removals=removals,
        mended=skipped,
        roots=tuple(root for root in index.roots if root in left),
    )
    return index.apply(change, threads=threads)


def _places(index: Index, named: Sequence[str]) -> tuple[set[str], set[str]]:
    """Return the places that are named: of images, and of those that were skipped."""
    by_id = {nfc(entry.id): entry for entry in index.entries}
    exact = {entry.id: entry for entry in index.entries}
    all_places = [place for entry in index.entries for place in entry.places]
    errors = [row["image"] for row in index.errors]
    spelt, lost, skipped = {nfc(place) for place in all_places}, set[str](), set[str]()
    for name in named:
        if not name.strip():  # which would be the path of the folder that one is in
            raise InputError("the name of an image to remove is empty; give its id or path")
        entry = exact.get(name) or by_id.get(nfc(name))
        path = nfc(os.path.realpath(name))
        if entry and path in spelt and path not in map(nfc, entry.places):
            raise InputError(
                f"{name} is the id of {entry.image} and the path of another image; give the path "
                f"of the one to remove, which begins with / or ./"
            )
        if entry:
            lost.update(entry.places)
            skipped.update(entry.places)
            continue
        below = {place for place in all_places if lies_in(nfc(place), path)}
        failed = {image for image in errors if lies_in(nfc(image), path)}
        if not below and not failed:
            raise InputError(
                f"the index {index.folder} has no image called {name}, nor one at {path}; ids are "
                f"those of 'zscr query --format jsonl'"
            )
        lost |= below
        skipped |= failed
    return lost, skipped
