"""`zscr export` as one job: bundle, index of the gallery, example captions, engines if asked."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zscr.artefact import kind_of
from zscr.data.collection import Collection
from zscr.disk import require_writable
from zscr.errors import ArtefactError, ConfigError
from zscr.export.begun import begun_among, begun_at
from zscr.export.bundle import export_run
from zscr.export.figures import add_figures, read_figures
from zscr.export.heads import Build
from zscr.export.precision.gate import Limits
from zscr.export.precision.ladder import add_precisions
from zscr.export.precision.rungs import rungs_of
from zscr.export.words import Words
from zscr.infer.bundle import SAME_IMAGE, Bundle, index_of
from zscr.infer.index.add import add_collection
from zscr.infer.index.indexing import Added
from zscr.infer.index.manifest import KIND as INDEX
from zscr.lock import work_folder
from zscr.partial import write_atomically
from zscr.progress import say
from zscr.train.evaluation.bundle_model import bundle_collection
from zscr.train.latest import point_latest, require_link
from zscr.train.run import open_run

GALLERIES = ("unseen", "all")
CAPTIONS = Path("captions.txt")


@dataclass(frozen=True)
class Deployment:
    """What an export left behind; `index` is None where the collection has no images."""

    bundle: Bundle
    index: Added | None
    captions: Path | None


def deploy(
    run_folder: Path,
    out: Path | None = None,
    *,
    gallery: str = "unseen",
    settings: Mapping[str, Any] | None = None,
    build: Build | None = None,
    words: Words | None = None,
    precisions: Sequence[str] = (),
    gallery_precisions: Sequence[str] = (),
    limits: Limits | None = None,
    figures: Path | None = None,
) -> Deployment:
    """Export a run and index its collection's gallery; `bundles/latest` points at the default.

    An export that was stopped is completed by the next one of the same run and settings.

    Args:
        run_folder: a run.
        out: the bundle's folder; None takes the next free one in `bundles/`.
        gallery: the images to index: of the `unseen` classes (the zero-shot protocol) or `all`.
        settings: of the method's heads; build: makes their graphs; words: that
            compositions are made with. See `export_run`.
        precisions: that query graphs are tried in beside fp32; gallery_precisions: that the
            gallery's graph is; limits: what one may cost. See `add_precisions`.
        figures: a report of `zscr evaluate RUN --json` that the card shows; see `read_figures`.

    Raises:
        ArtefactError, MismatchError, ParityError: as `export_run`.
        ConfigError: an unknown gallery or precision, or as `export_run` and `add_precisions`.
        InputError: none of the gallery's images can be used, or the report.
    """
    if gallery not in GALLERIES:
        raise ConfigError(f"gallery '{gallery}' is unknown; use one of {', '.join(GALLERIES)}")
    rungs_of(
        [*precisions, *gallery_precisions]
    )  # which refuses an unknown one before the work begins
    run = open_run(run_folder.resolve())
    found = read_figures(figures, run, settings) if figures else None

    def tried(bundle: Bundle) -> Bundle:
        if not (precisions or gallery_precisions):
            return bundle
        return add_precisions(bundle.folder, precisions, limits, gallery=gallery_precisions)

    place = out or Path("bundles") / f"{run.method}-{run.sources['collection']['name']}"
    if not CAPTIONS.exists():
        require_writable(CAPTIONS)
    if out:
        beside = Path(os.path.abspath(out))
        with work_folder(beside.with_name(f".{beside.name}.export"), f"exporting {out}"):
            _require_index_place(beside)
            bundle = begun_at(out, run, settings, words) or export_run(
                run, out, settings=settings, build=build, words=words
            )
            return _completed(tried(_told(bundle, found)), gallery)
    require_link(place)
    bundle = begun_among(place, run, settings, words) or export_run(
        run, place, settings=settings, build=build, numbered=True, words=words
    )
    made = _completed(tried(_told(bundle, found)), gallery)
    point_latest(bundle.folder)  # last, so that what is stopped before can be told by it
    return made


def _require_index_place(out: Path) -> None:
    """Refuse what is in the way of a bundle's index before the bundle is made, not after it."""
    place = index_of(out)
    if os.path.lexists(place) and (not place.is_dir() or kind_of(place) != INDEX):
        raise ArtefactError(
            f"{place} is in the way of the index of {out.name}, and is no index; rename it"
        )


def _told(bundle: Bundle, figures: Mapping[str, Any] | None) -> Bundle:
    return add_figures(bundle, figures) if figures else bundle


def _completed(bundle: Bundle, gallery: str) -> Deployment:
    """Add what a bundle has not got yet: its index and the captions to try it with."""
    collection, index = bundle_collection(bundle), None
    if bundle.gallery.fields == SAME_IMAGE and not collection.corpus:  # which is no gallery
        items = collection.items if gallery == "all" else collection.split("unseen")
        index = add_collection(bundle, bundle.index_folder, collection, items)
    return Deployment(bundle, index, write_captions(bundle, collection, CAPTIONS))


def write_captions(bundle: Bundle, collection: Collection, path: Path) -> Path | None:
    """Write one example caption an unseen class to `path`, unless there is a file already.

    It is the longest of the class's examples, which says most of it: a short one may fit others.
    """
    if not bundle.examples or path.exists():
        return None
    longest: dict[str, str] = {}
    for text, name in bundle.examples.items():
        longest[name] = max(longest.get(name, ""), text, key=len)
    lines = [longest[name] for name in collection.splits["unseen"] if name in longest]
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())
    say(f"wrote {path}: {len(lines)} captions about classes that the model never saw")
    return path
