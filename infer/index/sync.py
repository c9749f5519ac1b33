"""Making an index what its folders are by now: added, replaced, moved and removed images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from zscr.data.hashes import Hashes
from zscr.data.listing import Listing, list_images
from zscr.data.walk import EVERYTHING, WalkRules, passed_over
from zscr.errors import InputError
from zscr.infer.bundle import Bundle
from zscr.infer.features.store import SHARD
from zscr.infer.index.adding import PART, carry_out
from zscr.infer.index.entries import NO_ENTRIES
from zscr.infer.index.index import Index
from zscr.infer.index.indexing import Added, alone, open_for
from zscr.infer.index.placement import place
from zscr.infer.index.report import ChangeReport, report_of
from zscr.infer.index.roots import Root, lies_in
from zscr.infer.index.survey import Survey, require_some, survey
from zscr.progress import say


@dataclass(frozen=True)
class Preview:
    """What a sync would do: the report, and how many images it would have to embed."""

    report: ChangeReport
    embedded: int


def sync_images(
    bundle: Bundle,
    folder: Path,
    images: Sequence[Path],
    *,
    rules: WalkRules | None = None,
    linked: bool | None = None,
    all_may_go: bool = False,
    hashes: Hashes | None = None,
    lenders: Sequence[Index] = (),
    shard: int = SHARD,
    part: int = PART,
) -> Added:
    """Make the index `folder` hold what the folders `images` hold, no more and no less of them.

    New images are added and changed ones replaced. One whose content is found at another place
    has moved: it is not embedded again. What is gone is removed, after how many was said. Images
    of other folders stay, and so does what lies in a folder that cannot be read.

    Args:
        bundle: whose gallery graph embeds; see `add_images` for `linked`, `shard` and `part`.
        folder: of the index, made if it is absent.
        images: folders, and files.
        rules: which part of the folders is looked at; None is what was when they were last walked.
        all_may_go: whether all images of a folder may be removed.
        hashes: what is known of files already; None reads all of them.
        lenders: other indexes of the same space: what they hold is not embedded again.

    Raises:
        InputError: as `add_images`; a folder has none of the images any more that the index has
            of it, or is not there, as if its disk was not mounted; or no image would be left.
    """
    with alone(folder):
        index, found, listing = _looked(bundle, folder, images, rules, linked, all_may_go, hashes)
        _tell(index, found)
        added = carry_out(
            bundle,
            folder,
            index,
            found,
            shard=shard,
            part=part,
            lenders=lenders,
            hashes=hashes,
        )
    return replace(added, passed=listing.passed)


def preview_sync(
    bundle: Bundle,
    folder: Path,
    images: Sequence[Path],
    *,
    rules: WalkRules | None = None,
    linked: bool | None = None,
    all_may_go: bool = False,
) -> Preview:
    """Return what `sync_images` would do; nothing is embedded or written."""
    index, found, _ = _looked(bundle, folder, images, rules, linked, all_may_go)
    entries = index.entries if index else NO_ENTRIES
    known = {entry.sha256 for entry in entries}
    placed = place(entries, found.plan.upserts, found.plan.removals)
    report = report_of(placed, index.generation if index else 0)
    report = replace(report, unchanged=found.plan.unchanged)
    return Preview(report, len({entry.sha256 for entry in found.plan.upserts} - known))


def _looked(
    bundle: Bundle,
    folder: Path,
    images: Sequence[Path],
    rules: WalkRules | None,
    linked: bool | None,
    all_may_go: bool,
    hashes: Hashes | None = None,
) -> tuple[Index | None, Survey, Listing]:
    """List the images and compare them with the index; refuse what looks like a lost disk."""
    index = open_for(bundle, folder)
    roots = index.roots if index else ()
    for named in images:
        _require_there(index, named)
    listing = list_images(images, lambda walked: rules or remembered_rules(roots, walked), hashes)
    _require_left(index, listing, all_may_go)
    if index is None:
        require_some(listing, images)
    remembered = (lambda root: rules) if rules else (lambda root: root.rules)
    found = survey(index, listing, remembered, linked=linked, prune=True)
    return index, replace(found, all_may_go=all_may_go), listing


def remembered_rules(roots: Sequence[Root], folder: Path) -> WalkRules:
    """Return how the innermost root that has a folder was walked."""
    having = [root for root in roots if root.whole and root.holds(str(folder))]
    root = max(having, key=lambda root: len(root.path), default=None)
    return EVERYTHING if root is None else replace(root.rules, top=root.path)


def held_in(index: Index | None, folder: Path) -> int:
    """Count the images that an index has of a folder."""
    entries = index.entries if index else ()
    return sum(any(lies_in(p, str(folder)) for p in entry.places) for entry in entries)


def _require_there(index: Index | None, named: Path) -> None:
    try:
        named.stat()
        return
    except (FileNotFoundError, NotADirectoryError):
        held = held_in(index, named.resolve())
    except OSError:  # whoever lists it says why
        return
    if held and index:
        raise InputError(
            f"{named} is not there, and the index has {held} images of it: mount its disk, or if "
            f"it was moved, run 'zscr index relocate', or if they are to go, 'zscr index remove "
            f"{named}'"
        )


def _require_left(index: Index | None, listing: Listing, all_may_go: bool) -> None:
    for walked in listing.folders:
        held = held_in(index, walked.folder)
        if held and not all_may_go and not walked.images:
            there = passed_over(walked.passed) or "nothing"
            raise InputError(
                f"{walked.folder} has no image any more, only {there}, and the index has {held} of "
                f"it: mount its disk, or add --yes if they are to be removed"
            )


def _tell(index: Index | None, found: Survey) -> None:
    """Say how many images will go, before they do."""
    if index and found.plan.removals:
        placed = place(index.entries, found.plan.upserts, found.plan.removals)
        linked = {place for entry in found.plan.upserts for place in entry.also}
        joined = sum(index.entries[row].image in linked for row in placed.dropped)
        gone = len(placed.dropped) - joined
        if gone or placed.moved:  # and not only twins that become one
            say(f"{gone} images are gone and will be removed, {placed.moved} have moved")
