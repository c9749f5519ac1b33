"""Opens what `zscr evaluate` is given: runs or bundles that differ in their seed alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zscr.artefact import kind_of
from zscr.errors import ArtefactError, ConfigError, MismatchError
from zscr.infer.models.installed import models_folder
from zscr.train.evaluation.bundle_model import open_bundle_model
from zscr.train.evaluation.model import Model
from zscr.train.evaluation.run_model import open_run_model

OWN = (
    "seed",
    "best",
    "last",
    "versions",
    "weights",
)  # what may differ between runs of one configuration


def open_models(
    folders: Sequence[Path],
    collection: Path | None,
    *,
    settings: Mapping[str, Any] | None = None,
    controls: bool = False,
    split: str = "unseen",
    compose: str | None = None,
) -> list[Model]:
    """Open runs or bundles of one configuration; runs share the first one's features.

    Args:
        folders: at least one; what is no folder here may be the name of a model of the user's.
        collection: another collection than the one they were trained on.
        settings: of the heads of runs.
        controls: whether features will be asked for.
        split: that they are judged on; validation classes see runs as they were before a refit.
        compose: the composition of bundles that answers queries of several fields.

    Raises:
        ArtefactError: a folder is neither a run nor a bundle.
        ConfigError: an option that only a run has was given for a bundle.
        MismatchError: they differ in more than their seed, or not in that.
    """
    models: list[Model] = []
    for folder in map(_located, folders):
        first, asked = next(iter(models), None), settings or {}
        if kind_of(folder) == "run":
            _refuse_compose(folder, compose)
            models.append(open_run_model(folder, collection, asked, split, first))
        else:
            models.append(_open_bundle(folder, collection, compose, given=bool(asked or controls)))
        _require_same_configuration(models[0], models[-1])
    _require_different_seeds(models)
    return models


def open_others(
    folders: Sequence[Path], first: Model, collection: Path | None, *, split: str = "unseen"
) -> list[list[Model]]:
    """Open runs or bundles to be judged beside a model, those of one configuration together.

    Args:
        folders: of the others, in any order.
        first: the model; collection: another one than they were all trained on.
        split: that they are judged on.

    Raises:
        ArtefactError: a folder is neither a run nor a bundle.
        MismatchError: two of one configuration have one seed, or one was trained on another
            collection, whose classes are split otherwise.
    """
    groups: list[list[Model]] = []
    for folder in folders:
        [model] = open_models([folder], collection, split=split)
        _require_same_collection(first, model)
        alike = (group for group in groups if _settings(group[0]) == _settings(model))
        group = next(alike, None)
        if group is None:
            groups.append(group := [])
        group.append(model)
    for group in groups:
        _require_different_seeds(group)
    return groups


def _located(folder: Path) -> Path:
    """Return the user's model of that name where nothing here is called so."""
    own = models_folder() / folder
    return own if not folder.exists() and own.is_dir() else folder


def _refuse_compose(run: Path, compose: str | None) -> None:
    if compose is not None:
        raise ConfigError(f"{run} is a run, whose own graphs compose; --compose takes its bundle")


def _open_bundle(folder: Path, collection: Path | None, compose: str | None, given: bool) -> Model:
    if kind_of(folder) != "bundle":
        raise ArtefactError(f"{folder} is neither a run nor a bundle; run 'zscr train' first")
    if given:
        raise ConfigError(f"{folder} is a bundle; settings of heads and --controls take a run")
    return open_bundle_model(folder, collection, compose)


def _require_same_configuration(first: Model, other: Model) -> None:
    mine, its = _settings(first), _settings(other)
    for key in mine | its:
        if mine.get(key) != its.get(key):
            raise MismatchError(
                f"{first.folder} and {other.folder} differ in {key}: {mine.get(key)!r} and "
                f"{its.get(key)!r}; evaluate runs of different settings one by one, or name others "
                f"with --beside"
            )


def _require_same_collection(first: Model, other: Model) -> None:
    mine, its = (model.collection.manifest.sha256 for model in (first, other))
    if mine != its:
        raise MismatchError(
            f"{first.folder} is judged on collection {mine[:12]} of {first.collection.folder}, "
            f"{other.folder} on {its[:12]} of {other.collection.folder}; leave it out of --beside, "
            f"or name one --collection that neither has seen"
        )


def _settings(model: Model) -> dict[str, Any]:
    """Return what runs of one configuration share, a setting a key."""
    settings = {**model.about, **model.about.get("config", {})}
    return {name: value for name, value in settings.items() if name not in (*OWN, "config")}


def _require_different_seeds(models: Sequence[Model]) -> None:
    seeds = [model.about["seed"] for model in models]
    if len(set(seeds)) < len(seeds):
        raise MismatchError(
            f"the seeds of these {len(seeds)} models are {', '.join(map(str, seeds))}; a spread "
            f"over seeds needs different ones"
        )
