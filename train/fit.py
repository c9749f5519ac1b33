"""From a collection's name to a trained run: encoders, features, recipe, loop."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from zscr.artefact import read_manifest
from zscr.data.collection import Collection, read_collection
from zscr.errors import ConfigError, MismatchError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.features.split import SplitFeatures, joined, load_split
from zscr.lock import writer_lock
from zscr.progress import say
from zscr.train.encoders.resolve import DEFAULT_IMAGE, DEFAULT_TEXT, image_encoder, text_encoder
from zscr.train.loop import train
from zscr.train.methods import default_mode, make_config, selection_split
from zscr.train.precision import check_precision
from zscr.train.run import Run, create_run, new_run_folder, open_run, point_latest
from zscr.train.soundness import check_dims, check_trainable


@dataclass(frozen=True)
class Request:
    """What a user asks to be trained; what is left out comes from the recipe, then the method.

    Attributes:
        method: its name; mode: one of its modes, None takes the method's first.
        collection: the collection's folder.
        out: the run's folder; None takes the next free one in `runs/`.
        settings: of the method's Config, over the recipe's.
        image_encoder, text_encoder: a path or name.
        device: `cpu` or `cuda`; None takes CUDA where there is one.
    """

    method: str
    collection: Path
    out: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    image_encoder: str | None = None
    text_encoder: str | None = None
    device: str | None = None
    mode: str | None = None


@dataclass(frozen=True)
class Encoders:
    """The frozen encoders of a run; None where the collection has published vectors."""

    image: Encoder | None
    text: Encoder | None


def fit(request: Request) -> Run:
    """Train what the request asks for; without `out`, let `runs/latest` point at the run."""
    device = choose_device(request.device)
    collection = read_collection(request.collection)
    mode = request.mode or default_mode(request.method)
    recipe = load_recipe(request.method, collection.name)
    config = make_config(request.method, mode, recipe.get(mode, {}) | dict(request.settings))
    check_precision(config.precision, device)
    encoders = _choose_encoders(request, collection, recipe.get("encoders", {}))
    seen, judged_on = load_training(collection, encoders, selection_split(config))
    check_trainable(seen)
    dims = {"text": seen.texts.shape[1], "image": seen.images.shape[1]}
    base = request.out or new_run_folder(Path("runs"), f"{request.method}-{collection.name}")
    run = create_run(base, request.method, mode, config, dims, _sources(collection, encoders))
    if request.out is None:  # a run that was given a place is named by it from then on
        point_latest(run.folder)
    with writer_lock(run.folder):
        train(run, seen, judged_on, device)
    return run


def resume(
    folder: Path, device: str | None = None, settings: Mapping[str, Any] | None = None
) -> Run:
    """Go on with a run from its last checkpoint, to the same bytes as if it had never stopped.

    Args:
        folder: the run.
        device: `cpu` or `cuda`; None takes CUDA where there is one.
        settings: repeated ones must be those that the run was begun with.

    Raises:
        ConfigError: a setting is another than the run's.
        MismatchError: the collection, its features or an encoder has changed since.
    """
    folder = folder.resolve()
    read_manifest(folder, "run")  # or the lock would be left in a folder that is no run
    with writer_lock(folder):  # read within it: what another trainer commits is no leftover
        run = open_run(folder)
        _require_own_settings(run, settings or {})
        run.remove_leftovers()
        if run.done:
            say(f"{folder} is finished already; nothing to resume")
            return run
        where = choose_device(device)
        check_precision(run.config.precision, where)
        collection, encoders = load_sources(run)
        seen, judged_on = load_training(collection, encoders, selection_split(run.config))
        check_dims(folder, run.dims, seen)
        train(run, seen, judged_on, where)
    return run


def _require_own_settings(run: Run, settings: Mapping[str, Any]) -> None:
    wished = make_config(run.method, run.mode, asdict(run.config) | dict(settings))
    for name in settings:
        begun, wish = getattr(run.config, name), getattr(wished, name)
        if begun != wish:
            raise ConfigError(
                f"{run.folder} was begun with {name}={begun} and cannot go on with {name}={wish}; "
                f"leave it out or train anew"
            )


def load_training(
    collection: Collection, encoders: Encoders, judged_on: str = "val"
) -> tuple[SplitFeatures, SplitFeatures]:
    """Load what is trained on and the split that selects.

    The unseen split stays closed unless it selects; then the validation classes, which have nothing
    else to do, are trained on too, as released.
    """
    load = partial(load_split, collection, image=encoders.image, text=encoders.text)
    seen = load("seen")
    return (seen if judged_on == "val" else joined(seen, load("val"))), load(judged_on)


def choose_device(name: str | None) -> torch.device:
    """Return the device asked for; without a wish, CUDA where there is one.

    Raises:
        ConfigError: CUDA was asked for and cannot be had.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda: torch finds no CUDA device here; use --device cpu")
    return torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))


def load_recipe(method: str, collection: str) -> dict[str, Any]:
    """Read `recipes/<method>-<collection>.toml`; a collection without one gets the defaults."""
    path = files("zscr.train") / "recipes" / f"{method}-{collection}.toml"
    return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}


def _choose_encoders(
    request: Request, collection: Collection, recipe: Mapping[str, str]
) -> Encoders:
    image = request.image_encoder or recipe.get("image", DEFAULT_IMAGE)
    text = request.text_encoder or recipe.get("text", DEFAULT_TEXT)
    published = {name: collection.has_vectors(name) for name in ("image", "text")}
    for name, wish in (("image", request.image_encoder), ("text", request.text_encoder)):
        if wish and published[name]:
            raise ConfigError(f"--{name}-encoder: {collection.folder} has published {name} vectors")
    eyes = None if published["image"] else load_encoder(image_encoder(image, collection))
    return Encoders(
        eyes, None if published["text"] else load_encoder(text_encoder(text, collection, eyes))
    )


def _sources(collection: Collection, encoders: Encoders) -> dict[str, Any]:
    folder = str(collection.folder.resolve())
    sources: dict[str, Any] = {
        "collection": {
            "path": folder,
            "name": collection.name,
            "sha256": collection.manifest.sha256,
        }
    }
    for name, encoder in (("image", encoders.image), ("text", encoders.text)):
        sources[name] = encoder and {
            "path": str(encoder.graph.parent.resolve()),
            "name": encoder.name,
            "sha256": encoder.sha256,
        }
    return sources


def load_sources(run: Run, collection: Path | None = None) -> tuple[Collection, Encoders]:
    """Load the encoders that a run was trained with and its collection, or the one at a path.

    Raises:
        MismatchError: one of the run's own has changed since; names both hashes.
    """
    entry = run.sources["collection"]
    found = read_collection(collection or Path(entry["path"]))
    if collection is None:
        _require_same("collection", entry, found.manifest.sha256, run)
    encoders = {}
    for name in ("image", "text"):
        entry = run.sources[name]
        encoders[name] = load_encoder(Path(entry["path"])) if entry else None
        if encoder := encoders[name]:
            _require_same(f"{name} encoder", entry, encoder.sha256, run)
    return found, Encoders(encoders["image"], encoders["text"])


def _require_same(what: str, entry: Mapping[str, str], sha256: str, run: Run) -> None:
    if entry["sha256"] != sha256:
        raise MismatchError(
            f"{run.folder} was trained with {what} {entry['sha256'][:12]} of {entry['path']}, "
            f"which is now {sha256[:12]}; restore it or train anew"
        )
