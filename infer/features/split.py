"""What a method trains on and is judged by: one split's texts and images, class after class."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from zscr.artefact import dump_jsonl, write_atomically
from zscr.data.collection import Collection
from zscr.errors import CollectionError, InputError
from zscr.infer.encoder import Encoder
from zscr.infer.features.store import Source, compute_features
from zscr.progress import say

Vectors = npt.NDArray[np.float32]
Starts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SplitFeatures:
    """The image and text features of one split, class after class in the split's order.

    Attributes:
        classes: C class ids.
        images: (N, I) float32; image_ids: their N item ids.
        texts: (M, T) float32, each class's descriptions first, then its items' captions.
        image_starts, text_starts: (C+1,) rows of class c are [starts[c], starts[c+1]).
    """

    classes: tuple[str, ...]
    images: Vectors
    image_ids: tuple[str, ...]
    image_starts: Starts
    texts: Vectors
    text_starts: Starts

    @property
    def image_classes(self) -> list[str]:
        """The class id of each image row."""
        return _spread(self.classes, self.image_starts)

    @property
    def text_classes(self) -> list[str]:
        """The class id of each text row."""
        return _spread(self.classes, self.text_starts)


def joined(first: SplitFeatures, second: SplitFeatures) -> SplitFeatures:
    """Return the features of two splits as of one, the first one's classes first."""

    def starts(ours: Starts, theirs: Starts) -> Starts:
        return np.concatenate([ours, ours[-1] + theirs[1:]])

    return SplitFeatures(
        first.classes + second.classes,
        np.concatenate([first.images, second.images]),
        first.image_ids + second.image_ids,
        starts(first.image_starts, second.image_starts),
        np.concatenate([first.texts, second.texts]),
        starts(first.text_starts, second.text_starts),
    )


def _spread(classes: tuple[str, ...], starts: Starts) -> list[str]:
    return [c for c, n in zip(classes, np.diff(starts), strict=True) for _ in range(n)]


def load_split(
    collection: Collection,
    split: str,
    image: Encoder | None,
    text: Encoder | None,
    store: Path | None = None,
) -> SplitFeatures:
    """Read one split's features, encoding what is not cached yet.

    Args:
        collection: with images and texts, or with published vectors of both.
        split: `seen`, `val` or `unseen`.
        image: the frozen image encoder; None where the collection has image vectors.
        text: the frozen text encoder; None where it has text vectors.
        store: where to cache; None is the collection's own `features`. Images that cannot be
            used are left out, counted on stderr and listed here in `errors.<split>.jsonl`.

    Raises:
        CollectionError: the split is empty.
        InputError: features are not finite.
    """
    classes = collection.splits[split]
    store = store or collection.folder / "features"
    images, ids, image_starts = load_images(collection, split, image, store)
    texts, text_starts = _text_rows(collection, classes, text, store)
    if not len(images) or not len(texts):
        raise CollectionError(
            f"split '{split}' of {collection.folder} has {len(images)} usable images and "
            f"{len(texts)} texts; it needs some of both"
        )
    _check_finite("text", texts, split)
    return SplitFeatures(classes, images, ids, image_starts, texts, text_starts)


def load_images(
    collection: Collection, split: str, encoder: Encoder | None, store: Path | None = None
) -> tuple[Vectors, tuple[str, ...], Starts]:
    """Return a split's image rows (N, I), their item ids and where each class starts.

    The arguments and errors are those of `load_split`.
    """
    store = store or collection.folder / "features"
    classes = collection.splits[split]
    by_class: dict[str, list[int]] = defaultdict(list)
    published = None if encoder else collection.vectors("image")
    for row, item in enumerate(collection.items):
        if item.split == split and (item.image or published is not None):
            by_class[item.class_id].append(row)
    rows = [row for name in classes for row in by_class[name]]
    if encoder:
        kept, vectors = _encoded(collection, split, rows, encoder, store)
    else:
        assert published is not None
        kept, vectors = rows, published[rows]
    _check_finite("image", vectors, split)
    counts = Counter(collection.items[row].class_id for row in kept)
    ids = tuple(collection.items[row].id for row in kept)
    return vectors, ids, _starts([counts[name] for name in classes])


def _encoded(
    collection: Collection, split: str, rows: list[int], encoder: Encoder, store: Path
) -> tuple[list[int], Vectors]:
    """Encode items' images; those that cannot be are left out, listed and counted."""
    keys = {row: _image_key(collection, row) for row in rows}
    paths = {row: collection.folder / str(collection.items[row].image) for row in rows}
    sources = [Source(keys[row], paths[row]) for row in rows]
    features = compute_features(store, encoder, sources)
    kept = [row for row in rows if keys[row] not in features.failed]
    lost = [
        {"id": collection.items[row].id, "reason": features.failed[keys[row]]}
        for row in rows
        if keys[row] in features.failed
    ]
    _report_failures(lost, collection, split, store)
    return kept, features.take(keys[row] for row in kept)


def _image_key(collection: Collection, row: int) -> str:
    """Return the sha256 that the manifest holds of an item's image."""
    return str(collection.manifest.files[str(collection.items[row].image)]["sha256"])


def _report_failures(
    lost: list[dict[str, str]], collection: Collection, split: str, store: Path
) -> None:
    path = store / f"errors.{split}.jsonl"
    path.unlink(missing_ok=True)  # what an earlier call could not use
    if lost:
        write_atomically(path, dump_jsonl(lost))
        say(
            f"{len(lost)} images of split '{split}' could not be used and are left out, first "
            f"{lost[0]['id']}: {lost[0]['reason']}; try 'zscr data check {collection.folder}'"
        )


def _text_rows(
    collection: Collection, classes: tuple[str, ...], encoder: Encoder | None, store: Path
) -> tuple[Vectors, Starts]:
    if encoder is None:
        return _published_texts(collection, classes)
    texts = collection.texts(classes)
    sources = [[Source.text(text) for text in texts[name]] for name in classes]
    flat = [source for group in sources for source in group]
    features = compute_features(store, encoder, flat)
    for reason in features.failed.values():
        raise InputError(f"{len(features.failed)} texts of {collection.folder} fail: {reason}")
    vectors = features.take(s.key for s in flat)
    _report_blank(vectors, encoder)
    return vectors, _starts([len(group) for group in sources])


def _report_blank(vectors: Vectors, encoder: Encoder) -> None:
    """Count texts without any word of a closed vocabulary; they stay, as queries that must fail."""
    blank = int((~vectors.any(1)).sum())
    if blank:
        say(f"{blank} of {len(vectors)} texts hold no word that '{encoder.name}' knows: a zero row")


def _published_texts(collection: Collection, classes: tuple[str, ...]) -> tuple[Vectors, Starts]:
    vectors = collection.vectors("text")
    spans = [collection.classes[name].text_rows or (0, 0) for name in classes]
    rows = [row for start, stop in spans for row in range(start, stop)]
    return vectors[rows], _starts([stop - start for start, stop in spans])


def _starts(counts: list[int]) -> Starts:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _check_finite(name: str, rows: Vectors, split: str) -> None:
    bad = int((~np.isfinite(rows)).any(1).sum())
    if bad:
        raise InputError(
            f"{bad} of {len(rows)} {name} features of split '{split}' are not finite numbers; "
            f"leave these rows out or compute them again"
        )
