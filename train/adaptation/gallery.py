"""The images that a model is adapted to: of a folder or of a collection, their labels unread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.artefact import MANIFEST, hash_bytes
from zscr.data.collection import Collection, Item, read_collection
from zscr.data.listing import Listing, Skipped, list_images
from zscr.data.walk import EVERYTHING, WalkRules, passed_over
from zscr.errors import InputError
from zscr.infer.encoder import Encoder, Rows
from zscr.infer.features.store import Source, compute_features
from zscr.infer.features.table import check_finite
from zscr.progress import say


@dataclass(frozen=True)
class Gallery:
    """Features of images without labels.

    Attributes:
        rows: (N, I).
        about: where they come from, and how many they are, for a run's manifest.
        skipped: images that could not be used, each with the reason.
    """

    rows: Rows
    about: Mapping[str, Any]
    skipped: tuple[Skipped, ...]


def load_gallery(
    path: Path,
    encoder: Encoder | None,
    store: Path,
    *,
    with_seen: bool = False,
    rules: WalkRules = EVERYTHING,
) -> Gallery:
    """Load the features of a gallery's images, encoding what is not cached yet.

    Args:
        path: an image, a folder of them at any depth, or a collection, of which the items of the
            unseen classes are taken, or with `with_seen` all.
        encoder: of images; None where a collection's published vectors are taken.
        store: where to cache the features of a folder; a collection has its own cache.
        with_seen: whether images of seen classes are among them.
        rules: which part of a folder is looked at.

    Raises:
        InputError: there are no such images, none can be used, or features are not finite.
        ArtefactError: the path is an artefact of another kind, or damaged.
    """
    if (path / MANIFEST).is_file():
        collection = read_collection(path)
        items = collection.items if with_seen else collection.split("unseen")
        what: dict[str, Any] = {"collection": collection.name}
        what |= {"sha256": collection.manifest.sha256}
        if encoder is None:
            found = _published(collection, items)
        else:
            sources = _item_sources(collection, items)
            found = _encoded(path, encoder, collection.folder / "features", sources)
    elif encoder is None:
        raise InputError(
            f"the model was trained on published vectors of images, and {path} is no collection "
            f"that holds such; name one, or train with an image encoder"
        )
    else:
        listing = _listed(path, rules)
        sources = [Source.image(file.path, file.sha256) for file in listing.files]
        what = {"sha256": hash_bytes("".join(source.key for source in sources).encode())}
        what |= {"passed": dict(listing.passed)}
        found = _encoded(path, encoder, store, sources, listing.skipped)
    rows, skipped = found
    check_finite("image", rows, str(path))
    about: dict[str, Any] = {"path": str(path.resolve()), **what, "images": len(rows)}
    about |= {"skipped": len(skipped), "with_seen": with_seen}
    return Gallery(rows, about, tuple(skipped))


_Found = tuple[Rows, Sequence[Skipped]]


def _published(collection: Collection, items: Sequence[Item]) -> _Found:
    if not collection.has_vectors("image"):
        raise InputError(
            f"the model was trained on published vectors of images, which {collection.folder} has "
            f"not; name a collection that has, or train with an image encoder"
        )
    chosen = {item.id for item in items}
    places = [place for place, item in enumerate(collection.items) if item.id in chosen]
    _require_some(places, collection.folder)
    return collection.vectors("image")[places], ()


def _item_sources(collection: Collection, items: Sequence[Item]) -> list[Source]:
    files = collection.manifest.files
    named = [item.image for item in items if item.image]
    return [Source.image(collection.folder / file, str(files[file]["sha256"])) for file in named]


def _listed(path: Path, rules: WalkRules) -> Listing:
    if not path.exists():
        raise InputError(f"{path} does not exist; name a folder of images, or a collection")
    listing = list_images([path], lambda folder: rules)
    if there := passed_over(listing.passed):
        say(f"passed over in {path}: {there}")
    return listing


def _encoded(
    path: Path,
    encoder: Encoder,
    store: Path,
    sources: Sequence[Source],
    unreadable: Sequence[Skipped] = (),
) -> _Found:
    """Encode the images that can be used; list the others."""
    _require_some([*sources, *unreadable], path)
    features = compute_features(store, encoder, sources)
    kept = [source.key for source in sources if source.key not in features.failed]
    skipped = list(unreadable)
    for source in sources:
        if reason := features.failed.get(source.key):
            skipped.append({"image": str(source.path), "reason": reason})
    if not kept:
        raise InputError(
            f"none of the {len(skipped)} images of {path} can be used, first: "
            f"{skipped[0]['reason']}; name another folder"
        )
    return features.take(kept), skipped


def _require_some(found: Sequence[object], path: Path) -> None:
    if not found:
        raise InputError(
            f"{path} has no images to adapt to; name a folder of images, or a collection with "
            f"unseen classes (--with-seen takes all of its images)"
        )
