"""What is at the places of an index's images, compared with what the index holds of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from zscr.data.listing import Listing, Skipped
from zscr.data.walk import WalkRules, passed_over
from zscr.errors import InputError
from zscr.infer.index.index import Index
from zscr.infer.index.plan import Plan, make_plan
from zscr.infer.index.roots import Root, grown, lies_in, root_of


@dataclass(frozen=True)
class Survey:
    """What is to be done to an index so that it holds what was listed.

    Attributes:
        plan: of its entries.
        roots: from now on.
        linked: whether a content gets one entry, whatever the number of its places.
        skipped: images that could not be read.
        looked_at: the `image` of what the index skipped before and that was looked at again.
        prune: whether an image goes whose new content cannot be embedded.
        all_may_go: whether that may be all that were found.
    """

    plan: Plan
    roots: tuple[Root, ...] | None = None
    linked: bool | None = None
    skipped: tuple[Skipped, ...] = ()
    looked_at: frozenset[str] = frozenset()
    prune: bool = False
    all_may_go: bool = False


def survey(
    index: Index | None,
    listing: Listing,
    rules: Callable[[Root], WalkRules],
    *,
    linked: bool | None = None,
    prune: bool = False,
) -> Survey:
    """Compare what was listed with an index, or with nothing.

    Args:
        index: None where there is none yet.
        listing: the images.
        rules: root -> what it is to remember of the walk.
        linked: None leaves it as it is.
        prune: whether images that are not there any more go.
    """
    roots = grown(index.roots if index else (), listing, rules)
    link = linked if linked is not None else bool(index and index.linked)
    found = {
        str(file.real if root_of(roots, str(file.real)) else file.path): file.sha256
        for file in listing.files
    }
    entries = index.entries if index else ()
    given_up = gone_from(listing) if prune else _never
    plan = make_plan(entries, found, roots, gone=given_up, link=link)
    named = {str(path) for path in listing.named}
    within = gone_from(listing)
    errors = [row["image"] for row in (index.errors if index else ())]
    looked_at = frozenset(image for image in errors if image in named or within(image))
    return Survey(plan, roots, link, listing.skipped, looked_at, prune)


def require_some(listing: Listing, named: Sequence[Path]) -> None:
    """Refuse to go on where nothing was found.

    Raises:
        InputError: says where, and what was passed over there.
    """
    if listing.others and not listing.files and not listing.skipped:
        raise InputError(
            f"none of the {listing.others} images in {', '.join(map(str, named))} is of this "
            f"share; take fewer shares, and leave this one out of the merge"
        )
    if not listing.files and not listing.skipped:
        there = passed_over(listing.passed)
        raise InputError(
            f"there is no image in {', '.join(map(str, named))}"
            f"{f', but {there}' if there else ''}; name another folder"
        )


def gone_from(listing: Listing) -> Callable[[str], bool]:
    """Return a function that says whether a place, if it was not found, is no longer there.

    What lies in a folder that could not be read, or could not be read itself, may still be.
    """
    folders = [str(walked.folder) for walked in listing.folders]
    unread = [str(path) for walked in listing.folders for path in walked.unreadable]
    skipped = {row["image"] for row in listing.skipped}

    def gone(place: str) -> bool:
        listed = any(lies_in(place, folder) for folder in folders)
        return listed and place not in skipped and not any(lies_in(place, f) for f in unread)

    return gone


def _never(place: str) -> bool:
    return False
