"""The deep check of a collection: every byte hashed, every image decoded, every row counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zscr.artefact import read_manifest, verify
from zscr.data.collection import Collection, read_collection
from zscr.data.corpus import Corpus
from zscr.data.corpus_files import laid_out
from zscr.data.describe.stored import has_descriptions, read_descriptions
from zscr.data.describe.trained import require_trained
from zscr.data.images import fault
from zscr.data.tasks import task_rows
from zscr.errors import ArtefactError, CollectionError
from zscr.progress import progress

_AT_ONCE = 256  # images of a shard that are unpacked


@dataclass(frozen=True)
class CheckReport:
    """How much was checked, and one sentence a fault."""

    files: int
    images: int
    faults: tuple[str, ...]


def check_collection(folder: Path) -> CheckReport:
    """Hash every file of a collection, decode every image, check tasks and vectors.

    Images and vectors are only looked at when all hashes are right.

    Raises:
        ArtefactError: the folder is no collection, or its tables are damaged.
        CollectionError: its tables contradict each other.
    """
    manifest = read_manifest(folder, "collection")
    faults = []
    with progress("hashing", len(manifest.files)) as bar:
        for name in manifest.files:
            try:
                verify(folder, manifest, [name])
            except ArtefactError as error:
                faults.append(str(error))
            bar.advance()
    if faults:
        return CheckReport(len(manifest.files), 0, tuple(faults))
    collection = read_collection(folder)
    named, faults = _task_images(collection)
    images = list(dict.fromkeys([*_item_images(collection), *named]))
    faults += _undecodable(collection, images) + _vector_faults(collection)
    faults += _description_faults(collection)
    elsewhere = collection.corpus.images if collection.corpus else 0
    if collection.corpus:
        faults += _undecodable_elsewhere(collection.corpus)
    return CheckReport(len(manifest.files), len(images) + elsewhere, tuple(faults))


def _item_images(collection: Collection) -> list[str]:
    named = [name for item in collection.items for name in (item.image, item.sketch)]
    return [name for name in named if name is not None]


def _task_images(collection: Collection) -> tuple[list[str], list[str]]:
    """Return the images that queries of stored tasks name, and the faults of these tasks."""
    named, faults = [], []
    for task in collection.tasks:
        try:
            queries = [part for row in task_rows(collection, task) for part in row.query.parts]
        except CollectionError as error:
            faults.append(str(error))
            continue
        named += [str(name) for q in queries for name in (q.image, q.sketch) if name is not None]
    return named, faults


def _undecodable(collection: Collection, images: list[str]) -> list[str]:
    faults = []
    with progress("decoding", len(images)) as bar:
        for name in images:
            if reason := fault(collection.folder / name):
                faults.append(reason)
            bar.advance()
    return faults


def _undecodable_elsewhere(corpus: Corpus) -> list[str]:
    """Decode the images of a corpus, some at a time."""
    faults = []
    with progress("decoding", corpus.images) as bar:
        for part in corpus.parts:
            try:
                members = corpus.members(part)
            except CollectionError as error:
                faults.append(str(error))
                continue
            for start in range(0, len(members), _AT_ONCE):
                some = members[start : start + _AT_ONCE]
                with laid_out(part, some) as laid:
                    for member, one in zip(some, laid, strict=True):
                        reason = one if isinstance(one, str) else fault(one)
                        if reason:
                            faults.append(f"{part.source}: {member.name}: {reason}")
                bar.advance(len(some))
    return faults


def _description_faults(collection: Collection) -> list[str]:
    """Return what is wrong with the descriptions, an artefact of their own."""
    if not has_descriptions(collection.folder):
        return []
    try:
        stored = read_descriptions(collection.folder)
        require_trained(collection, stored.answers, stored.folder)
    except (ArtefactError, CollectionError) as error:
        return [str(error)]
    return []


def _vector_faults(collection: Collection) -> list[str]:
    rows = [info.text_rows[1] for info in collection.classes.values() if info.text_rows]
    expected = {"image": len(collection.items), "text": max(rows, default=0)}
    faults: list[str] = []
    for name, count in expected.items():
        if collection.has_vectors(name):
            faults += _fault_of(collection, name, count)
    return faults


def _fault_of(collection: Collection, name: str, count: int) -> list[str]:
    try:
        array = collection.vectors(name)
    except CollectionError as error:
        return [str(error)]
    where = f"{collection.folder}/vectors/{name}.npy"
    if array.ndim != 2 or len(array) != count or array.dtype != np.float32:
        return [f"{where} is {array.shape} {array.dtype}, not ({count}, D) float32"]
    return [] if np.isfinite(array).all() else [f"{where} holds NaN or infinity"]
