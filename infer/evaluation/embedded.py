"""Judging a bundle on a collection's split, with onnxruntime alone."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from zscr.data.collection import Collection, read_collection
from zscr.errors import MismatchError
from zscr.infer.bundle import Bundle
from zscr.infer.encoder import Encoder
from zscr.infer.evaluation.figures import query_values
from zscr.infer.evaluation.metrics import Values
from zscr.infer.evaluation.report import RetrievalReport, evaluate_retrieval
from zscr.infer.features.split import SplitFeatures, load_split

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Judged:
    """A split embedded by a model: every text of its classes is a query, every image gallery."""

    queries: Vectors
    gallery: Vectors
    query_classes: list[str]
    gallery_classes: list[str]
    gallery_ids: tuple[str, ...]

    def report(self) -> RetrievalReport:
        """Return every figure."""
        return evaluate_retrieval(
            self.queries,
            self.gallery,
            query_classes=self.query_classes,
            gallery_classes=self.gallery_classes,
        )

    def average_precision(self) -> Values:
        """Return each query's average precision (Q,), at a fraction of the report's cost."""
        values = query_values(
            self.queries,
            self.gallery,
            query_classes=self.query_classes,
            gallery_classes=self.gallery_classes,
            names=["mAP"],
        )
        return values["mAP"]

    def with_gallery_of(self, other: Judged) -> Judged:
        """Return the same queries over both galleries, its own images first."""
        return replace(
            self,
            gallery=np.concatenate([self.gallery, other.gallery]),
            gallery_classes=self.gallery_classes + other.gallery_classes,
            gallery_ids=self.gallery_ids + other.gallery_ids,
        )


def judged(split: SplitFeatures, queries: Vectors, gallery: Vectors) -> Judged:
    """Pair embeddings with the classes of the split's rows."""
    classes = split.text_classes, split.image_classes
    return Judged(queries, gallery, *classes, split.image_ids)


def query_texts(collection: Collection, split: str, *, encoded: bool) -> list[str]:
    """Return what each query of a split says, in the order of its text rows.

    Args:
        collection: the collection judged on.
        split: its split.
        encoded: whether texts were encoded; published text vectors only have a class and a number.
    """
    classes = [collection.classes[name] for name in collection.splits[split]]
    if encoded:
        texts = collection.texts(info.id for info in classes)
        return [text for info in classes for text in texts[info.id]]
    counts = [(info, *(info.text_rows or (0, 0))) for info in classes]
    return [
        info.name if stop - start == 1 else f"{info.name}, text {row - start + 1}"
        for info, start, stop in counts
        for row in range(start, stop)
    ]


def judge_bundle(bundle: Bundle, collection: Collection, split: str) -> Judged:
    """Embed a split's texts and images with a bundle."""
    sides = (bundle.gallery, bundle.query)
    image, text = (side if side.kind != "vector" else None for side in sides)
    with tempfile.TemporaryDirectory(prefix="zscr-") as store:
        rows = load_split(collection, split, image, text, Path(store))
    return judged(rows, _embedded(bundle.query, rows.texts), _embedded(bundle.gallery, rows.images))


def _embedded(side: Encoder, rows: Vectors) -> Vectors:
    """Texts and images are embedded when they are loaded; published vectors are not yet."""
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
