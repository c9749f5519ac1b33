"""Snapshots in the cache: where they lie, how they come to be there, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from zscr.artefact import SCHEMA, dump_json, hash_bytes, read_manifest, staged, verify
from zscr.schema import maybe, record, text
from zscr.train.hub.at_hand import link_or_copy
from zscr.train.hub.listing import Listing
from zscr.train.hub.name import ModelName

_BODY = record({"name": text(200), "revision": text(40), "licence": maybe(text(200))})


@dataclass(frozen=True)
class Snapshot:
    """Files of a repository, whole and checked.

    Attributes:
        folder: holds them, under the names that they have there, and nothing else.
        name: of the repository, such as `openai/clip-vit-base-patch32`.
        revision: the commit, 40 hex digits.
        licence: as its authors state it; None if they do not, or nobody could be asked.
        files: name -> sha256, of each.
    """

    folder: Path
    name: str
    revision: str
    licence: str | None
    files: Mapping[str, str]


class Wanted(NamedTuple):
    """Which files of a model are wanted: see `snapshot`."""

    patterns: tuple[str, ...]
    weights: tuple[str, ...]


def place_of(asked: ModelName, commit: str, wanted: Wanted, origin: str = "hub") -> Path:
    """Return where a commit's files of one choice are, as this version of the format has them.

    Args:
        asked: the model.
        commit: of it.
        wanted: the choice.
        origin: what the choice was made from; all files of a commit, or those that were at hand.
    """
    choice = hash_bytes(dump_json([SCHEMA, origin, *wanted]))
    return asked.folder / f"{commit[:12]}-{choice[:8]}"


def publish(path: Path, listing: Listing, brought: Mapping[str, Path]) -> None:
    """Make the snapshot `path` of files that were checked, by their names in the repository."""
    with staged(path, "snapshot") as stage:
        inner = stage.folder / _inner(listing.name, listing.revision)
        for name, source in brought.items():
            target = inner / name
            target.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(source, target)
        stage.body |= {"name": listing.name, "revision": listing.revision}
        stage.body["licence"] = listing.licence


def open_snapshot(path: Path) -> Snapshot:
    """Read a snapshot, every byte of which is checked.

    Raises:
        ArtefactError: it is damaged.
    """
    manifest = read_manifest(path, "snapshot", _BODY)
    verify(path, manifest)
    about, revision = manifest.body, manifest.body["revision"]
    inner = _inner(about["name"], revision)
    files = {name.removeprefix(f"{inner}/"): e["sha256"] for name, e in manifest.files.items()}
    return Snapshot(path / inner, about["name"], revision, about["licence"], files)


def _inner(repository: str, commit: str) -> str:
    """Return what the folder of the files is called, by which a converted encoder names it."""
    return f"{repository.rpartition('/')[2]}@{commit[:12]}"
