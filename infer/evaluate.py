"""Judging a bundle on a collection's split, with onnxruntime alone."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.data.collection import Collection, read_collection
from zscr.errors import MismatchError
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import Encoder
from zscr.infer.report import RetrievalReport, evaluate_retrieval
from zscr.infer.split import SplitFeatures, load_split

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """A split embedded by a model: every text of its classes is a query, every picture gallery."""

    queries: Vectors
    gallery: Vectors
    query_classes: list[str]
    gallery_classes: list[str]

    def report(self) -> RetrievalReport:
        """Return every figure."""
        return evaluate_retrieval(
            self.queries,
            self.gallery,
            query_classes=self.query_classes,
            gallery_classes=self.gallery_classes,
        )


def judged(split: SplitFeatures, queries: Vectors, gallery: Vectors) -> Judged:
    """Pair embeddings with the classes of the split's rows."""
    return Judged(queries, gallery, split.text_classes, split.image_classes)


def judge_bundle(bundle: Bundle, collection: Collection, split: str) -> Judged:
    """Embed a split's texts and pictures with a bundle."""
    sides = (bundle.gallery, bundle.query)
    image, text = (side if side.kind != "vector" else None for side in sides)
    with tempfile.TemporaryDirectory(prefix="zscr-") as store:
        rows = load_split(collection, split, image, text, Path(store))
    return judged(rows, _embedded(bundle.query, rows.texts), _embedded(bundle.gallery, rows.images))


def _embedded(side: Encoder, rows: Vectors) -> Vectors:
    """Texts and pictures are embedded when they are loaded; published vectors are not yet."""
    return side.encode(rows) if side.kind == "vector" else rows


def bundle_collection(bundle: Bundle, path: Path | None = None) -> Collection:
    """Read the collection that a bundle was trained on, or the one at `path`.

    Raises:
        MismatchError: the bundle's own has changed since; names both hashes.
    """
    trained_on: dict[str, Any] = bundle.manifest.body["provenance"]["sources"]["collection"]
    found = read_collection(path or Path(trained_on["path"]))
    if path is None and found.manifest.sha256 != trained_on["sha256"]:
        raise MismatchError(
            f"{bundle.folder} was trained on collection {trained_on['sha256'][:12]} of "
            f"{found.folder}, which is now {found.manifest.sha256[:12]}; restore it, or name a "
            f"collection with --collection"
        )
    return found
