"""Pictures into an index: embedded by a bundle's gallery side, resumable, the bad ones listed."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zscr.data.artefact import hash_file
from zscr.data.collection import Collection, Item
from zscr.data.pictures import find_pictures
from zscr.errors import InputError
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import Vectors
from zscr.infer.features import Features, Source, compute_features
from zscr.infer.index import AddReport, Entry, Index


@dataclass(frozen=True)
class Added:
    """What became of the pictures that were to be indexed."""

    index: Index
    report: AddReport
    skipped: tuple[dict[str, str], ...]


def add_pictures(bundle: Bundle, folder: Path, pictures: Sequence[Path]) -> Added:
    """Add files, and every picture below folders, to the index `folder`, made if it is absent.

    An id is the picture's path from the named folder's parent on, so it stays what it is when
    more pictures come; a picture that changed replaces its old self.

    Raises:
        InputError: a path does not exist, or there is no picture at all.
        MismatchError: the index was made with another bundle.
    """
    bundle.gallery.require("image")
    entries = [
        Entry(path.relative_to(base).as_posix(), hash_file(path), image=str(path))
        for named in pictures
        for base, path in _listed(named.absolute())
    ]
    if not entries:
        named = ", ".join(map(str, pictures))
        raise InputError(f"there is no JPEG, PNG or WebP picture in {named}")
    return add_entries(bundle, folder, entries)


def _listed(named: Path) -> list[tuple[Path, Path]]:
    if named.is_dir():
        return [(named.parent, path) for path in find_pictures(named)]
    if named.is_file():
        return [(named.parent, named)]
    raise InputError(f"{named} does not exist; name a picture or a folder of pictures")


def add_collection(
    bundle: Bundle, folder: Path, collection: Collection, items: Sequence[Item]
) -> Added:
    """Index a collection's items with their classes, so that answers can be marked."""
    files = collection.manifest.files
    base = collection.folder.resolve()
    entries = [
        Entry(
            item.id,
            str(files[str(item.image)]["sha256"]),
            class_id=item.class_id,
            image=str(base / str(item.image)),
        )
        for item in items
        if item.image
    ]
    return add_entries(bundle, folder, entries)


def add_entries(bundle: Bundle, folder: Path, entries: Sequence[Entry]) -> Added:
    """Embed the entries' pictures and commit those that could be embedded to the index."""
    index = Index.open(folder, bundle_sha256=bundle.sha256) if folder.exists() else None
    # The embeddings of a killed run wait beside the index until a rerun commits them.
    store = folder.with_name(f".{folder.name}.features")
    sources = [Source(entry.sha256, Path(str(entry.image))) for entry in entries]
    features = compute_features(store, bundle.gallery, sources)
    good = [entry for entry in entries if entry.sha256 not in features.failed]
    skipped = _skipped(entries, features)
    vectors = features.take(entry.sha256 for entry in good)
    threads = bundle.runtime.thread_count
    if index is None:
        queries = _example_embeddings(bundle)
        index = Index.create(
            folder,
            bundle_sha256=bundle.sha256,
            bundle_name=bundle.name,
            entries=good,
            vectors=vectors,
            queries=queries,
            errors=skipped,
            threads=threads,
        )
        report = AddReport(len(good), 0, 0, index.generation)
    else:
        report = index.add(good, vectors, errors=skipped, threads=threads)
    shutil.rmtree(store, ignore_errors=True)
    return Added(index, report, skipped)


def _skipped(entries: Sequence[Entry], features: Features) -> tuple[dict[str, str], ...]:
    return tuple(
        {"image": str(entry.image), "reason": features.failed[entry.sha256]}
        for entry in entries
        if entry.sha256 in features.failed
    )


def _example_embeddings(bundle: Bundle) -> Vectors | None:
    """Embed the bundle's examples: recall is to be measured on queries, not on pictures."""
    if not bundle.examples or bundle.query.kind != "text":
        return None
    return bundle.query.encode(list(bundle.examples))
