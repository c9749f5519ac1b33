"""Who may add to an index, with which bundle, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from zscr.data.listing import Skipped
from zscr.errors import InputError, MismatchError
from zscr.infer.bundle import SAME_IMAGE, Bundle, spoken
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.index import Index
from zscr.infer.index.report import ChangeReport
from zscr.lock import is_busy, work_folder


@dataclass(frozen=True)
class Added:
    """What became of the images that were to be indexed.

    Attributes:
        index: as it is now.
        report: how many were added, replaced, moved, removed and left as they were.
        skipped: those that could not be used.
        passed: kind of what was passed over in folders -> how many.
        twins: images whose content another place has, too, less one of each content.
    """

    index: Index
    report: ChangeReport
    skipped: tuple[Skipped, ...]
    passed: Mapping[str, int] = field(default_factory=dict)
    twins: int = 0


def alone(folder: Path) -> AbstractContextManager[None]:
    """Hold the index's own folder of embeddings; another that adds to the index is waited for.

    So the index that is read then is the one that is added to, and who may not write beside it is
    told before the images are hashed.
    """
    return work_folder(store_of(folder.resolve()), f"adding to {folder}")


def store_of(folder: Path) -> Path:
    """Return where the embeddings of a killed run wait, until a rerun commits them."""
    return folder.with_name(f".{folder.name}.features")


def was_killed(folder: Path) -> bool:
    """Say whether what a killed run has embedded for an index waits to be taken over or removed."""
    store = store_of(folder.resolve())
    return store.exists() and not is_busy(store)


def open_for(bundle: Bundle, folder: Path, diffusion: Diffusion | None = None) -> Index | None:
    """Return the index that a bundle is to add to, None where there is none yet.

    Raises:
        InputError: the bundle's gallery is not of images, or has not what `diffusion` needs, or
            the index was made with another.
        MismatchError: the index holds vectors of another space, or precision.
    """
    _require_images(bundle)
    if diffusion and not bundle.has_feature:
        _ = bundle.gallery_and_feature  # says why not
    folder = folder.resolve()
    if not folder.exists():
        return None
    index = Index.open(folder, bundle.space)
    if index.precision != bundle.gallery_precision:
        raise MismatchError(
            f"the vectors of {folder} were computed in {index.precision}, not in "
            f"{bundle.gallery_precision}; give --precision {index.precision}, or make another index"
        )
    if diffusion and index.diffusion != diffusion:
        made = index.diffusion or "made without --diffuse"
        raise InputError(
            f"the index {folder} was {made}; leave --diffuse out, or make another of the same "
            f"images with --index"
        )
    return index


def _require_images(bundle: Bundle) -> None:
    if bundle.gallery_fields != SAME_IMAGE:
        raise InputError(
            f"the gallery of the bundle {bundle.name} is embedded from "
            f"{spoken(bundle.gallery_fields)}, not from images; use a bundle that was trained "
            f"with an image encoder"
        )
