"""What a run is made of: the frozen encoders of the tables that it needs, and its collection."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

from zscr.data.collection import Collection, read_collection
from zscr.errors import ConfigError, MismatchError
from zscr.infer.encoder import Encoder, load_encoder
from zscr.infer.features.listing import Encoders
from zscr.infer.features.table_names import encoder_name
from zscr.place import find_remembered, remember
from zscr.train.encoders.fitted import DEFAULT_IMAGE
from zscr.train.encoders.resolve import DEFAULT_TEXT, image_encoder, text_encoder
from zscr.train.methods.contract import Need
from zscr.train.run import Run

_SETTINGS = {"image": "backbone", "text": "text_encoder"}  # of methods that name them themselves


def choose_encoders(
    collection: Collection,
    needs: Sequence[Need],
    wishes: Mapping[str, str | None],
    recipe: Mapping[str, str],
    *,
    settings: Container[str] = (),
    offline: bool | None = None,
) -> Encoders:
    """Load the frozen encoders of the tables that are needed; None for published vectors.

    Args:
        collection: what they are for, and what some of them are fitted on.
        needs: the tables.
        wishes: path or name of `image` and `text`; None leaves it to the recipe.
        recipe: the recipe's encoders; what it lacks is the default.
        settings: names of the method's, some of which may name an encoder.
        offline: ask no hub for them; None leaves it to the environment.

    Raises:
        ConfigError: an encoder was asked for that the method or the collection has no use for.
    """
    own = {encoder_name(need.table, own=bool(need.encoder)): need.encoder for need in needs}
    _check_wishes(collection, own, wishes, settings)
    encoders: dict[str, Encoder | None] = {}
    for name in sorted(own, key=lambda name: name != "image"):  # texts may be fitted to images
        make = own[name]
        if make:
            folder: Path | None = make(collection)
        elif collection.has_vectors(name):
            folder = None
        elif name == "image":
            named = wishes.get(name) or recipe.get(name, DEFAULT_IMAGE)
            folder = image_encoder(named, collection, offline=offline)
        else:
            named = wishes.get(name) or recipe.get(name, DEFAULT_TEXT)
            folder = text_encoder(named, collection, encoders.get("image"), offline=offline)
        encoders[name] = load_encoder(folder) if folder else None
    return encoders


def _check_wishes(
    collection: Collection,
    own: Mapping[str, object],
    wishes: Mapping[str, str | None],
    settings: Container[str],
) -> None:
    """Refuse an encoder that nothing would use."""
    for name, wish in wishes.items():
        if wish and (setting := _SETTINGS[name]) in settings:
            raise ConfigError(
                f"--{name}-encoder: of this method it is a setting; take --set {setting}={wish}"
            )
        if wish and name not in own:
            raise ConfigError(f"--{name}-encoder: the method needs no {name}s; leave it out")
        if wish and own[name]:
            raise ConfigError(
                f"--{name}-encoder: with these settings the method trains a tower for {name}s of "
                f"its own; leave it out"
            )
        if wish and collection.has_vectors(name):
            raise ConfigError(f"--{name}-encoder: {collection.folder} has published {name} vectors")


def sources_of(collection: Collection, encoders: Encoders, folder: Path) -> dict[str, Any]:
    """Return what an artefact remembers: place, name and hash of collection and encoders.

    Args:
        collection, encoders: what it is made of.
        folder: of the artefact.
    """
    about = {"name": collection.name, "sha256": collection.manifest.sha256}
    sources: dict[str, Any] = {"collection": remember(collection.folder, folder) | about}
    for name, encoder in encoders.items():
        sources[name] = encoder and (
            remember(encoder.graph.parent, folder)
            | {"name": encoder.name, "sha256": encoder.sha256}
        )
    return sources


def load_sources(run: Run, collection: Path | None = None) -> tuple[Collection, Encoders]:
    """Load the encoders that a run was trained with and its collection, or the one at a path.

    Raises:
        ArtefactError: one is not where it was; names the places.
        MismatchError: one of the run's own has changed since; names both hashes.
    """
    entry = run.sources["collection"]
    found = read_collection(collection or find_remembered("collection", entry, run.folder))
    if collection is None:
        _require_same("collection", entry, found.manifest.sha256, run)
    encoders: dict[str, Encoder | None] = {}
    for name in [name for name in run.sources if name != "collection"]:
        entry = run.sources[name]
        place = entry and find_remembered(f"{name} encoder", entry, run.folder)
        encoders[name] = load_encoder(place) if place else None
        if encoder := encoders[name]:
            _require_same(f"{name} encoder", entry, encoder.sha256, run)
    return found, encoders


def _require_same(what: str, entry: Mapping[str, str], sha256: str, run: Run) -> None:
    if entry["sha256"] != sha256:
        raise MismatchError(
            f"{run.folder} was trained with {what} {entry['sha256'][:12]} of {entry['path']}, "
            f"which is now {sha256[:12]}; restore it or train anew"
        )
