"""The deep check of a collection: every byte hashed, every image decoded, every row counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zscr.artefact import read_manifest, verify
from zscr.data.collection import Collection, read_collection
from zscr.data.images import open_image
from zscr.errors import ArtefactError, InputError
from zscr.progress import progress


@dataclass(frozen=True)
class CheckReport:
    """How much was checked, and one sentence a fault."""

    files: int
    images: int
    faults: tuple[str, ...]


def check_collection(folder: Path) -> CheckReport:
    """Hash every file of a collection, decode every image, compare vectors with items.

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
    images = _images(collection)
    faults = _undecodable(collection, images) + _vector_faults(collection)
    return CheckReport(len(manifest.files), len(images), tuple(faults))


def _images(collection: Collection) -> list[str]:
    """Return every image that an item or a query names, once."""
    named = [name for item in collection.items for name in (item.image, item.sketch)]
    named += [name for query in collection.queries for name in (query.image, query.sketch)]
    return list(dict.fromkeys(name for name in named if name is not None))


def _undecodable(collection: Collection, images: list[str]) -> list[str]:
    faults = []
    with progress("decoding", len(images)) as bar:
        for name in images:
            try:
                open_image(collection.folder / name)
            except InputError as error:
                faults.append(str(error))
            bar.advance()
            if name not in collection.manifest.files:
                faults.append(f"{collection.folder / name} is not listed in the manifest")
    return faults


def _vector_faults(collection: Collection) -> list[str]:
    rows = [info.text_rows[1] for info in collection.classes.values() if info.text_rows]
    expected = {"image": len(collection.items), "text": max(rows, default=0)}
    faults = []
    for name, count in expected.items():
        if not collection.has_vectors(name):
            continue
        array = collection.vectors(name)
        where = f"{collection.folder}/vectors/{name}.npy"
        if array.ndim != 2 or len(array) != count or array.dtype != np.float32:
            faults.append(f"{where} is {array.shape} {array.dtype}, not ({count}, D) float32")
        elif not np.isfinite(array).all():
            faults.append(f"{where} holds NaN or infinity")
    return faults
