"""Bringing the index of a folder up to date, and the part of an index that a folder is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zscr.data.hashes import Hashes
from zscr.data.listing import Listing, list_images
from zscr.data.walk import passed_over
from zscr.errors import ArtefactError, InputError, MismatchError, NoneLeftError
from zscr.infer.bundle import Bundle
from zscr.infer.find.moved import alike, taken_over
from zscr.infer.find.places import Place, made_by_others, place_for, place_of
from zscr.infer.index.index import Index
from zscr.infer.index.indexing import open_for, was_killed
from zscr.infer.index.roots import lies_in
from zscr.infer.index.survey import survey
from zscr.infer.index.sync import held_in, remembered_rules, sync_images
from zscr.infer.index.told import counts_of
from zscr.progress import say

_SHOWN = 3  # images that cannot be used, of which is told why
_SHARD = 64  # images between two saves: a minute of a large model, which Ctrl-C may cost at most


@dataclass(frozen=True)
class Part:
    """What is searched of an index.

    Attributes:
        folder: of the images, without links; shown: what messages call it.
        index: up to date.
        within: the folder, where the index is of one above; None where it is all of the index.
        count: how many images of the index are in it.
    """

    folder: Path
    shown: str
    index: Index
    within: Path | None
    count: int


@dataclass(frozen=True)
class _Look:
    """A folder as it was found on the disk, and what is known of its files."""

    place: Place
    folder: Path
    shown: str
    listing: Listing
    hashes: Hashes


def up_to_date(bundle: Bundle, folder: Path, shown: str) -> Part:
    """Index what is new in a folder, forget what is gone, and return what is to be searched.

    What was not changed since is neither read nor embedded again. A folder that was moved has its
    index; of any other new folder, what indexes of the same space hold is taken over.

    Args:
        bundle: whose gallery graph embeds.
        folder: without links.
        shown: what messages call it.

    Raises:
        InputError: it has no image, or none that can be used.
        ArtefactError: the index is damaged, or cannot be written.
    """
    look, index = _looked(bundle, folder, shown)
    _require_images(index, look)
    others: Sequence[Index] = ()
    if index is None:
        others = alike(look.place, look.listing)
        index = _taken_over(bundle, look, others)
    lacking = _lacking(index, look)
    if index is None or lacking is not None or was_killed(look.place.index):
        index = _caught_up(bundle, look, lacking or (), others)
    _remember(look)
    _tell_unusable(index, look)
    within = None if all(root.path == str(folder) for root in index.roots) else folder
    count = held_in(index, folder) if within else index.count
    if not count:
        raise InputError(f"none of the images in {shown} can be used; name another folder")
    return Part(folder, shown, index, within, count)


def _looked(bundle: Bundle, folder: Path, shown: str) -> tuple[_Look, Index | None]:
    """Look at a folder, and open the index that it belongs to, if that is there."""
    place = place_for(bundle.space, folder)
    index = _opened(bundle, place)
    look = _look_at(place, folder, shown, index)
    if place.folder != folder and _is_excluded(index, look):
        return _look_at(place_of(bundle.space, folder), folder, shown, None), None
    return look, index


def _opened(bundle: Bundle, place: Place) -> Index | None:
    try:
        return open_for(bundle, place.index)
    except MismatchError:
        raise
    except ArtefactError as error:
        raise ArtefactError(
            f"the index of {place.folder} cannot be used ({error}): remove {place.index} and run "
            f"the same command again, which makes it anew"
        ) from error


def _look_at(place: Place, folder: Path, shown: str, index: Index | None) -> _Look:
    roots, hashes = index.roots if index else (), Hashes(place.hashes, place.folder)
    listing = list_images([folder], lambda walked: remembered_rules(roots, walked), hashes)
    return _Look(place, folder, shown, listing, hashes)


def _is_excluded(index: Index | None, look: _Look) -> bool:
    """Say whether the index above leaves a folder out by a `.zscrignore`: it then has its own."""
    left_out = any(kind.startswith("excluded") for kind in look.listing.passed)
    nothing = not (look.listing.files or look.listing.skipped)
    return nothing and left_out and not held_in(index, look.folder)


def _require_images(index: Index | None, look: _Look) -> None:
    """Refuse a folder without images; what an index has of it stays, as it may be a lost disk."""
    if look.listing.files or look.listing.skipped:
        return
    there = passed_over(look.listing.passed)
    held = held_in(index, look.folder)
    kept = f"; the index of its {held} images is kept, mount its disk" if held else ""
    raise InputError(
        f"there are no images in {look.shown}{f', but {there}' if there else ''}{kept}; name "
        f"another folder"
    )


def _taken_over(bundle: Bundle, look: _Look, others: Sequence[Index]) -> Index | None:
    """Return the index that a folder had at another place, if it was moved."""
    was = taken_over(look.place, look.listing, others)
    if was is None:
        return None
    say(f"{look.shown} is the folder that was {was}: its index is taken over")
    return _opened(bundle, look.place)


def _lacking(index: Index | None, look: _Look) -> list[str] | None:
    """Return the contents that an index lacks; None if it is as the folder is.

    Images that could not be used before, and have not changed since, are not tried again.
    """
    found = survey(index, look.listing, lambda root: root.rules, prune=True)
    held = {entry.sha256 for entry in index.entries} if index else set()
    failed = {row["image"] for row in index.errors} if index else set()
    fresh = set(map(str, look.hashes.fresh))
    new = [e for e in found.plan.upserts if e.image not in failed or e.image in fresh]
    if index and not new and not found.plan.removals:
        return None
    return [*{entry.sha256 for entry in new} - held]


def _caught_up(
    bundle: Bundle, look: _Look, lacking: Sequence[str], others: Sequence[Index]
) -> Index:
    """Embed what an index lacks, forget what is gone, and say both."""
    _announce(bundle, look, lacking, others)
    try:
        synced = sync_images(
            bundle,
            look.place.index,
            [look.folder],
            hashes=look.hashes,
            lenders=others,
            shard=_SHARD,
        )
    except NoneLeftError as error:
        raise InputError(
            f"none of the images in {look.shown} can be used any more, and its index is kept as it "
            f"was; mend them or name another folder"
        ) from error
    if synced.passed:
        say(f"{look.shown}: passed over {passed_over(synced.passed)}")
    report = synced.report
    if report.replaced or report.moved or report.removed:  # that images are new was said
        say(f"{look.shown}: {counts_of(report)}")
    return synced.index


def _announce(bundle: Bundle, look: _Look, lacking: Sequence[str], others: Sequence[Index]) -> None:
    """Say what will be embedded, before it is: with a large model it takes a while."""
    known = {entry.sha256 for index in others for entry in index.entries}
    count = len(set(lacking) - known)
    others_names = [] if look.place.is_there else made_by_others(look.place)
    names = [f"another {name}" if name == bundle.name else name for name in others_names]
    if names and count:
        say(
            f"{look.shown} was indexed with {' and '.join(names)}; indexing it for {bundle.name}: "
            f"{count} images"
        )
    elif count:
        say(f"{look.shown}: indexing {count} new images with {bundle.name}")


def _remember(look: _Look) -> None:
    try:
        look.hashes.keep(look.folder, [file.path for file in look.listing.files])
    except (ArtefactError, OSError) as error:
        say(f"which images have been read cannot be remembered: {error}")


def _tell_unusable(index: Index, look: _Look) -> None:
    known = (row for row in index.errors if lies_in(row["image"], str(look.folder)))
    reasons = {row["image"]: row["reason"] for row in (*known, *look.listing.skipped)}
    closed = [path for walked in look.listing.folders for path in walked.unreadable]
    reasons |= {str(path): f"{path} cannot be read; change its permissions" for path in closed}
    for reason in [*reasons.values()][:_SHOWN]:
        say(f"skipped: {reason}")
    if len(reasons) > _SHOWN:
        say(f"skipped: {len(reasons)} in {look.shown}, listed in {index.folder}")
