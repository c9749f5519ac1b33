"""Images into an index: embedded by a bundle's gallery graph, resumable, the bad ones listed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zscr.artefact import hash_file
from zscr.data.collection import Collection
from zscr.data.images import find_images
from zscr.data.records import Item, Query
from zscr.disk import require_space
from zscr.errors import InputError
from zscr.infer.bundle import SAME_IMAGE, Bundle, spoken
from zscr.infer.features.store import SHARD, Features, Source, compute_features
from zscr.infer.index.change import Change
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.entry import CLASS, Entry, Skipped, check_entries
from zscr.infer.index.exact import Vectors
from zscr.infer.index.index import ChangeReport, Index
from zscr.lock import clear, work_folder, writer_lock

TEXT = frozenset({"text"})


@dataclass(frozen=True)
class Added:
    """What became of the images that were to be indexed."""

    index: Index
    report: ChangeReport
    skipped: tuple[Skipped, ...]


def add_images(
    bundle: Bundle,
    folder: Path,
    images: Sequence[Path],
    *,
    diffusion: Diffusion | None = None,
    shard: int = SHARD,
) -> Added:
    """Add files, and every image below folders, to the index `folder`, made if it is absent.

    An id is the image's path from the named folder's parent on, so it stays what it is when
    more images come; an image that changed replaces its old self, one that did not is not
    embedded again.

    Args:
        bundle: whose gallery graph embeds them.
        folder: of the index.
        images: files and folders.
        diffusion: of a new index, which does it again after every change; of one that there is,
            it must be its own.
        shard: how many are embedded between two saves; what a kill costs at most.

    Raises:
        InputError: a path does not exist, there is no image at all, the bundle takes none, or
            diffusion is asked for without features or of an index that was made without.
        MismatchError: the index holds vectors of another space.
    """
    with _alone(folder):
        return _add_images(bundle, folder, images, diffusion, shard)


def _alone(folder: Path) -> AbstractContextManager[None]:
    """Hold the index's own folder of embeddings; another that adds to the index is waited for.

    So the index that is read then is the one that is added to, and who may not write beside it is
    told before the images are hashed.
    """
    return work_folder(_store(folder.resolve()), f"adding to {folder}")


def _store(folder: Path) -> Path:
    """Return where the embeddings of a killed run wait, until a rerun commits them."""
    return folder.with_name(f".{folder.name}.features")


def _add_images(
    bundle: Bundle, folder: Path, images: Sequence[Path], diffusion: Diffusion | None, shard: int
) -> Added:
    index = _index_for(bundle, folder, diffusion)  # refused before hours of hashing
    found = [pair for named in images for pair in _listed(Path(os.path.abspath(named)))]
    if not found:
        named = ", ".join(map(str, images))
        raise InputError(f"there is no JPEG, PNG or WebP image in {named}; name another folder")
    entries, unreadable = [], []
    for base, path in found:
        try:
            sha256 = hash_file(path)
        except OSError as error:
            reason = f"{path} cannot be read ({error.strerror})"
            unreadable.append({"image": str(path), "reason": reason})
        else:
            entries.append(Entry(path.relative_to(base).as_posix(), sha256, str(path)))
    return _add(bundle, folder, index, entries, unreadable, shard, diffusion)


def _listed(named: Path) -> list[tuple[Path, Path]]:
    if named.is_dir():
        return [(named.parent, path) for path in find_images(named)]
    if named.is_file():
        return [(named.parent, named)]
    raise InputError(f"{named} does not exist; name an image or a folder of images")


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
    return add_entries(bundle, folder, entries)


def add_entries(
    bundle: Bundle,
    folder: Path,
    entries: Sequence[Entry],
    unreadable: Sequence[Skipped] = (),
    *,
    shard: int = SHARD,
) -> Added:
    """Embed the images that the index lacks, and commit those that could be embedded to it.

    Raises:
        InputError: an id twice, the bundle's gallery is not of images, or none of the first
            images can be used.
        MismatchError: the index holds vectors of another space.
    """
    with _alone(folder):
        return _add(bundle, folder, _index_for(bundle, folder), entries, unreadable, shard)


def _index_for(bundle: Bundle, folder: Path, diffusion: Diffusion | None = None) -> Index | None:
    """Return the index, None where there is none yet; refuse what cannot be added to it."""
    _require_images(bundle)
    if diffusion and not bundle.has_feature:
        _ = bundle.gallery_and_feature  # says why not
    folder = folder.resolve()
    if not folder.exists():
        return None
    index = Index.open(folder, bundle.space)
    if diffusion and index.diffusion != diffusion:
        made = index.diffusion or "made without --diffuse"
        raise InputError(
            f"the index {folder} was {made}; leave --diffuse out, or make another of the same "
            f"images with --index"
        )
    with writer_lock(folder):  # who may not is told now, and not when all is embedded
        return index


def _add(
    bundle: Bundle,
    folder: Path,
    index: Index | None,
    entries: Sequence[Entry],
    unreadable: Sequence[Skipped],
    shard: int,
    diffusion: Diffusion | None = None,
) -> Added:
    check_entries(entries)
    folder = folder.resolve()
    held = set(index.entries) if index else set()
    old = [entry for entry in entries if entry in held]
    fresh = [entry for entry in entries if entry not in held]
    encoder = bundle.gallery_and_feature if bundle.has_feature else bundle.gallery
    require_space(folder, 8 * encoder.row_shape[0] * (len(held) + len(fresh)))
    found = compute_features(_store(folder), encoder, list(map(_source, fresh)), shard=shard)
    new = [entry for entry in fresh if entry.sha256 not in found.failed]
    skipped = (*unreadable, *_failed(fresh, found))
    rows = found.take(entry.sha256 for entry in new)
    vectors, features = rows[:, : bundle.dim], rows[:, bundle.dim :] if bundle.has_feature else None
    if index is None:
        change = Change(new, vectors, errors=skipped, features=features)
        index = _create(bundle, folder, change, diffusion)
        report = ChangeReport(len(new), 0, 0, index.generation)
    else:
        vectors, features = _behind(index.embedded([entry.id for entry in old]), vectors, features)
        change = Change([*old, *new], vectors, errors=skipped, features=features)
        report = index.apply(change, threads=bundle.runtime.thread_count)
    clear(_store(folder))
    return Added(index, report, skipped)


def _behind(
    known: tuple[Vectors, Vectors | None], vectors: Vectors, features: Vectors | None
) -> tuple[Vectors, Vectors | None]:
    """Put what is new behind what the index knows of the images that are in it already."""
    vectors = np.concatenate([known[0], vectors])
    if features is None or known[1] is None:
        return vectors, features  # refused by the index where images of it have the other
    return vectors, np.concatenate([known[1], features])


def _require_images(bundle: Bundle) -> None:
    if bundle.gallery.fields != SAME_IMAGE:
        raise InputError(
            f"the gallery of the bundle {bundle.name} is embedded from "
            f"{spoken(bundle.gallery.fields)}, not from images; use a bundle that was trained "
            f"with an image encoder"
        )


def _source(entry: Entry) -> Source:
    return Source.image(Path(str(entry.image)), entry.sha256)


def _create(bundle: Bundle, folder: Path, first: Change, diffusion: Diffusion | None) -> Index:
    if not first.upserts and first.errors:
        reason = first.errors[0]["reason"]
        raise InputError(f"none of the {len(first.errors)} images can be used, first: {reason}")
    assert first.vectors is not None, "every image of it is embedded"
    return Index.create(
        folder,
        space=bundle.space,
        bundle_name=bundle.name,
        entries=first.upserts,
        vectors=first.vectors,
        queries=_example_embeddings(bundle),
        errors=first.errors,
        threads=bundle.runtime.thread_count,
        features=first.features,
        diffusion=diffusion,
    )


def _failed(entries: Sequence[Entry], features: Features) -> list[Skipped]:
    return [
        {"image": str(entry.image), "reason": features.failed[entry.sha256]}
        for entry in entries
        if entry.sha256 in features.failed
    ]


def _example_embeddings(bundle: Bundle) -> Vectors | None:
    """Embed the bundle's examples: recall is to be measured on queries, not on images."""
    if not bundle.examples or TEXT not in bundle.takes:
        return None
    return bundle.route(TEXT).encode(Query.of("text", bundle.examples))
