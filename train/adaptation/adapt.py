"""From a trained run and a gallery's unlabelled images to an adapted run: `zscr adapt` as a job."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from zscr.artefact import dump_jsonl, read_manifest, staged
from zscr.data.collection import Collection
from zscr.data.walk import EVERYTHING, WalkRules
from zscr.errors import ConfigError
from zscr.infer.features.listing import Encoders
from zscr.infer.features.table import Array, Split, joined
from zscr.lock import clear, work_folder
from zscr.train.adaptation.gallery import Gallery, load_gallery
from zscr.train.adaptation.names import Names, read_names
from zscr.train.fit import choose_device, load_training
from zscr.train.latest import point_latest, require_link
from zscr.train.methods.contract import Adaptable, Method, Unlabelled
from zscr.train.methods.settings import make_adapt_settings, selection_split
from zscr.train.precision import computing_in
from zscr.train.run import Run, open_run, write_adapted_run
from zscr.train.soundness import check_shapes
from zscr.train.sources import load_sources, sources_of
from zscr.train.tables import to_device


@dataclass(frozen=True)
class Adaptation:
    """What a user asks to be adapted, and to what.

    Attributes:
        run: the folder of a trained run, which stays as it is.
        images: an image, a folder of them, or a collection; their labels are not read.
        names: a file with the name of a class a line; None adapts without names.
        complete: whether every image shows something that is named.
        with_seen: whether images of classes that were trained on are among them; of a collection
            all items are then taken, else those of the unseen classes.
        out: the adapted run's folder; None takes the next free one in `runs/`.
        settings: of the method's `adapt`.
        device: `cpu` or `cuda`; None takes CUDA where there is one.
        rules: which part of a folder of images is looked at.
    """

    run: Path
    images: Path
    names: Path | None = None
    complete: bool = False
    with_seen: bool = False
    out: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str | None = None
    rules: WalkRules = EVERYTHING


def adapt(request: Adaptation) -> Run:
    """Adapt a run to images; without `out`, let `runs/latest` point at the adapted run.

    The adapted run appears whole or not at all, and the same inputs give the same bytes.

    Raises:
        ArtefactError: the run has no weights yet, or `out` exists.
        ConfigError: the method, or this run, cannot be adapted, or a setting is wrong.
        InputError: the images or the names cannot be used.
        MismatchError: the collection or an encoder has changed since the training.
    """
    base = open_run(request.run.resolve())
    method = base.load_model(choose_device(request.device))
    adaptable = _require_adaptable(base, method)
    settings = make_adapt_settings(base.method, adaptable, request.settings)
    name = f"{base.method}-{base.sources['collection']['name']}-adapted"
    numbered, folder = request.out is None, request.out or Path("runs") / name
    if numbered:
        require_link(folder)
    store = folder.with_name(f".{folder.name}.features")  # which outlives a kill
    with work_folder(store, f"adapting to images for {folder}"):
        with staged(folder, "run", numbered=numbered) as stage:
            given = _load(request, base, store)
            fitted = to_device(given.fitted, method.device)
            with computing_in("fp32", method.device):
                result = adaptable.adapt(fitted, given.unlabelled(request), **settings)
            about = {**given.about(base), "complete": request.complete, "settings": settings}
            sources = sources_of(given.collection, given.encoders, folder)
            run = replace(base, folder=folder, sources=sources, done=True)
            run.adapted = about | result
            write_adapted_run(stage, run, method)
            _write_lists(stage.folder, request, given.gallery)
        clear(store)
    if numbered:
        point_latest(stage.path)
    return open_run(stage.path)


@dataclass(frozen=True)
class _Given:
    """What a run is adapted with, loaded: images, names, and what it was fitted to, and by."""

    gallery: Gallery
    names: Names | None
    fitted: Split[Array]
    collection: Collection
    encoders: Encoders

    def unlabelled(self, request: Adaptation) -> Unlabelled:
        names = self.names.split if self.names else None
        return Unlabelled(self.gallery.rows, names, request.complete, request.with_seen)

    def about(self, base: Run) -> dict[str, Any]:
        """Return where an adapted run comes from."""
        sha256 = read_manifest(base.folder, "run").sha256
        return {
            "base": {"path": str(base.folder), "sha256": sha256},
            "gallery": dict(self.gallery.about),
            "names": self.names and dict(self.names.about),
        }


def _load(request: Adaptation, base: Run, store: Path) -> _Given:
    collection, encoders = load_sources(base)
    names = _read_names(request, encoders, collection)  # refused before hours of encoding
    encoder = encoders["image"]
    seen, rules = request.with_seen, request.rules
    gallery = load_gallery(request.images, encoder, store, with_seen=seen, rules=rules)
    check_shapes(base.folder, base.shapes, {"image": gallery.rows.shape[1:]})
    fitted = load_fitted(base, collection, encoders)
    return _Given(gallery, names, fitted, collection, encoders)


def load_fitted(run: Run, collection: Collection, encoders: Encoders) -> Split[Array]:
    """Load the tables that a run's final weights were fitted to."""
    split = selection_split(run.config)
    seen, judged_on = load_training(collection, run.needs, encoders, split)
    return joined(seen, judged_on) if run.refitted else seen


def _require_adaptable(run: Run, method: Method) -> Adaptable:
    if not isinstance(method, Adaptable):
        raise ConfigError(
            f"{run.folder} is of method {run.method}, which cannot be adapted; use a run of zscrgan"
        )
    if run.adapted:
        raise ConfigError(
            f"{run.folder} is adapted already; adapt the run that it was made of, "
            f"{run.adapted['base']['path']}, to all images at once"
        )
    if selection_split(run.config) == "unseen":
        raise ConfigError(
            f"{run.folder} was selected on the unseen classes (select_on_test), so what adapting "
            f"adds could not be told; train with select_on_test=false"
        )
    return method


def _read_names(request: Adaptation, encoders: Encoders, collection: Collection) -> Names | None:
    if request.names is None:
        if request.complete:
            raise ConfigError("a list that is not given cannot be complete; name a file of names")
        return None
    if "text" not in encoders:
        raise ConfigError(f"{request.run} was trained without texts; adapt it without names")
    names = read_names(request.names, encoders["text"], collection)
    if request.complete and names.about["unknown"]:
        raise ConfigError(
            f"{names.about['unknown']} names of {request.names} are left out, so the list is not "
            f"complete; use words that the text encoder knows, or do not call the list complete"
        )
    return names


def _write_lists(folder: Path, request: Adaptation, gallery: Gallery) -> None:
    """Keep the names as they were given, and list the images that could not be used."""
    if request.names:
        shutil.copyfile(request.names, folder / "names.txt")
    if gallery.skipped:
        (folder / "skipped.jsonl").write_bytes(dump_jsonl(gallery.skipped))
