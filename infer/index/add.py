"""Images into an index: embedded by a bundle's gallery graph, resumable, the bad ones listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from zscr.data.collection import Collection
from zscr.data.listing import ALL_SHARES, Share, list_images
from zscr.data.records import Item
from zscr.data.walk import EVERYTHING, WalkRules
from zscr.infer.bundle import Bundle
from zscr.infer.features.store import SHARD
from zscr.infer.index.adding import PART, carry_out
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.entry import CLASS, Entry, check_entries
from zscr.infer.index.indexing import Added, alone, open_for
from zscr.infer.index.plan import Plan
from zscr.infer.index.roots import Root, new_root
from zscr.infer.index.survey import Survey, require_some, survey


def add_images(
    bundle: Bundle,
    folder: Path,
    images: Sequence[Path],
    *,
    rules: WalkRules = EVERYTHING,
    linked: bool | None = None,
    diffusion: Diffusion | None = None,
    shard: int = SHARD,
    part: int = PART,
    share: Share = ALL_SHARES,
) -> Added:
    """Add files, and every image below folders, to the index `folder`, made if it is absent.

    An image is known by its place, whatever way it is named: its id is the name of the folder and
    the path below it, and stays what it is when more images come. An image that changed replaces
    its old self; a content that the index knows already is not embedded again.

    Args:
        bundle: whose gallery graph embeds them.
        folder: of the index.
        images: files and folders.
        rules: which part of the folders is looked at.
        linked: whether a content gets one entry, which knows all of its places, or one for each
            place; None leaves an index as it is, and a new one has one for each.
        diffusion: of a new index, which does it again after every change; of one that there is,
            it must be its own.
        shard: how many are embedded between two saves; what a kill costs at most.
        part: how many are embedded between two commits; as much is in memory.
        share: of the images, which alone are added.

    Raises:
        InputError: a path does not exist, there is no image at all, the bundle takes none, or
            diffusion is asked for without features or of an index that was made without.
        ConfigError: a pattern of the rules cannot be read.
        MismatchError: the index holds vectors of another space.
    """
    with alone(folder):
        index = open_for(bundle, folder, diffusion)  # refused before hours of hashing
        listing = list_images(images, lambda folder: rules, share=share)
        require_some(listing, images)
        found = survey(index, listing, lambda root: rules, linked=linked)
        added = carry_out(bundle, folder, index, found, diffusion=diffusion, shard=shard, part=part)
    return replace(added, passed=listing.passed)


def add_collection(
    bundle: Bundle, folder: Path, collection: Collection, items: Sequence[Item]
) -> Added:
    """Index a collection's items with their classes and attributes, so that answers can be marked.

    Raises:
        InputError: see `add_entries`.
        MismatchError: the index holds vectors of another space.
    """
    files = collection.manifest.files
    base = collection.folder.resolve()
    entries = [
        Entry(
            item.id,
            str(files[item.image]["sha256"]),
            str(base / item.image),
            {**item.attributes, **({CLASS: item.class_id} if item.class_id else {})},
        )
        for item in items
        if item.image
    ]
    return add_entries(bundle, folder, entries, base, name=collection.name)


def add_entries(
    bundle: Bundle, folder: Path, entries: Sequence[Entry], root: Path, *, name: str
) -> Added:
    """Embed images that have ids, and commit those that could be embedded to the index `folder`.

    Args:
        bundle: whose gallery graph embeds them.
        folder: of the index, made if it is absent.
        entries: the images.
        root: the folder that they lie in, without links; name: what it is called in the index.

    Raises:
        InputError: an id twice, the bundle's gallery is not of images, or none of the first
            images can be used.
        MismatchError: the index holds vectors of another space.
    """
    with alone(folder):
        index = open_for(bundle, folder)
        check_entries(entries)
        held = set(index.entries) if index else set()
        fresh = tuple(entry for entry in entries if entry not in held)
        roots: tuple[Root, ...] = index.roots if index else ()
        if not any(each.path == str(root) for each in roots):
            roots = (*roots, new_root(roots, root, name=name))
        plan = Plan(fresh, (), len(entries) - len(fresh), 0)
        return carry_out(bundle, folder, index, Survey(plan, roots))
