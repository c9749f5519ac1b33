"""All wanted files of a commit, brought into one folder: those at hand first, then the others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zscr.disk import require_space
from zscr.errors import ArtefactError
from zscr.progress import progress, say
from zscr.train.hub.at_hand import take_at_hand
from zscr.train.hub.choice import choose
from zscr.train.hub.client import Client
from zscr.train.hub.fetch import fetch, is_sound
from zscr.train.hub.listing import HubFile, Listing
from zscr.train.hub.metadata import completed

_LARGEST_INDEX = 64 << 20  # bytes; a model of a thousand files has one of 100 kB


class _Unseen:
    """Shows no progress."""

    def advance(self, units: int = 1, note: str = "") -> None:
        """Count nothing."""


def gather(
    client: Client, listing: Listing, patterns: Sequence[str], weights: Sequence[str], work: Path
) -> dict[str, Path]:
    """Bring the wanted files of a listing into a folder, under their hashes; return them by name.

    The size is told before anything but an index of weights is fetched.

    Args:
        client: to ask.
        listing: of the commit.
        patterns, weights: see `snapshot`.
        work: the folder; what an earlier call has left in it is gone on with.

    Raises:
        ConfigError: what is wanted is not there, or cannot be had.
        ArtefactError: a file is not what the listing says, or the disk has no room.
    """

    def read(index: HubFile) -> bytes:
        index = completed(client, listing.revision, index)
        if index.size > _LARGEST_INDEX:
            raise ArtefactError(f"{index.name} of '{listing.name}' is too large for an index")
        path = work / index.digest
        fetch(client, listing.revision, index, path, _Unseen())
        return path.read_bytes()

    named = choose(listing, patterns, weights, read)
    chosen = [completed(client, listing.revision, file) for file in named]
    missing = [file for file in _by_digest(chosen) if not _is_here(client, file, work)]
    if missing:
        _fetch_all(client, listing, missing, work)
    return {file.name: work / file.digest for file in chosen}


def _by_digest(files: Sequence[HubFile]) -> Sequence[HubFile]:
    """Leave one file of each content."""
    return list({file.digest: file for file in files}.values())


def _is_here(client: Client, file: HubFile, work: Path) -> bool:
    path = work / file.digest
    if path.is_file() and is_sound(path, file):
        return True
    return take_at_hand(client.library, client.name, file, path)


def _fetch_all(client: Client, listing: Listing, files: Sequence[HubFile], work: Path) -> None:
    paths = [work / file.digest for file in files]
    begun = sum(path.stat().st_size for path in paths if path.is_file())
    total = sum(file.size for file in files)
    say(
        f"fetching '{listing.name}' at {listing.revision[:12]} from {client.host}: {len(files)} "
        f"files, {total / 1e6:.2f} MB" + (f", {begun / 1e6:.2f} MB of them here" if begun else "")
    )
    require_space(work, max(0, total - begun))
    with progress(f"fetching {listing.name}", total, begun, in_bytes=True) as bar:
        for file, path in zip(files, paths, strict=True):
            fetch(client, listing.revision, file, path, bar)
