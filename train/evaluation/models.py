"""What `zscr evaluate` judges: a run, embedded by torch, or a bundle, by onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

from zscr.artefact import MANIFEST
from zscr.data.collection import Collection
from zscr.errors import ArtefactError, ConfigError, MismatchError
from zscr.extras import require_extras
from zscr.infer.bundle import Bundle
from zscr.infer.evaluation.embedded import Judged, bundle_collection, judge_bundle
from zscr.infer.features.split import SplitFeatures, load_split

OWN = ("seed", "best", "last", "versions")  # what may differ between runs of one configuration


@dataclass(frozen=True)
class Model:
    """A run or bundle with the collection that it is judged on.

    Attributes:
        about: what reports say of it; equal for runs of one configuration but for `OWN`.
        judge: embeds a split by name.
        features: loads a split's frozen features by name; None for a bundle, which has none.
        encodes_text: false where the collection's text vectors are published.
    """

    folder: Path
    about: Mapping[str, Any]
    collection: Collection
    judge: Callable[[str], Judged]
    features: Callable[[str], SplitFeatures] | None
    encodes_text: bool


def open_models(
    folders: Sequence[Path], collection: Path | None, *, noise_samples: int, controls: bool
) -> list[Model]:
    """Open runs or bundles of one configuration; runs share the first one's features.

    Args:
        folders: at least one.
        collection: another collection than the one they were trained on.
        noise_samples: draws of noise averaged per query, of runs.
        controls: whether features will be asked for.

    Raises:
        ArtefactError: a folder is neither a run nor a bundle.
        ConfigError: an option that only a run has was given for a bundle.
        MismatchError: they differ in more than their seed, or not in that.
    """
    models: list[Model] = []
    for folder in folders:
        if (folder / "query.onnx").is_file():
            if noise_samples or controls:
                raise ConfigError(
                    f"{folder} is a bundle; --noise-samples and --controls take a run"
                )
            models.append(_open_bundle(folder, collection))
        elif (folder / MANIFEST).is_file():
            models.append(_open_run(folder, collection, noise_samples, next(iter(models), None)))
        else:
            raise ArtefactError(f"{folder} is neither a run nor a bundle; run 'zscr train' first")
        _require_same_configuration(models[0], models[-1])
    _require_different_seeds(models)
    return models


def _open_bundle(folder: Path, path: Path | None) -> Model:
    bundle = Bundle.open(folder)
    collection = bundle_collection(bundle, path)
    body = bundle.manifest.body
    provenance = body["provenance"]
    about = {"kind": "bundle", "method": body["method"]}
    kept = ("mode", "selection", "seed", "versions", "sources")
    about |= {name: provenance[name] for name in kept}

    def judge(split: str) -> Judged:
        return judge_bundle(bundle, collection, split)

    return Model(bundle.folder, about, collection, judge, None, bundle.query.kind != "vector")


def _open_run(folder: Path, path: Path | None, noise_samples: int, first: Model | None) -> Model:
    require_extras("judging a run", "train", "cpu")
    from zscr.train.loop import judge as judge_method
    from zscr.train.methods import selection
    from zscr.train.run import open_run, versions
    from zscr.train.soundness import check_dims

    run = open_run(folder.resolve())
    method = run.load_best()
    method.average_noise(noise_samples)
    about = {"kind": "run", "method": run.method, "mode": run.mode, "seed": run.config.seed}
    about |= {"selection": selection(run.config), "last": run.last}
    about |= {"versions": versions(), "sources": dict(run.sources), "config": asdict(run.config)}
    about |= {"best": run.best, "noise_samples": noise_samples}
    if first and first.features and first.about["sources"] == about["sources"]:
        collection, features = first.collection, first.features
    else:
        collection, features = _run_features(run, path)

    def judge(split: str) -> Judged:
        check_dims(run.folder, run.dims, features(split))
        return judge_method(method, features(split))

    return Model(run.folder, about, collection, judge, features, run.sources["text"] is not None)


def _run_features(run: Any, path: Path | None) -> tuple[Collection, Callable[[str], SplitFeatures]]:
    from zscr.train.fit import load_sources

    collection, encoders = load_sources(run, path)
    return collection, cache(lambda s: load_split(collection, s, encoders.image, encoders.text))


def _require_same_configuration(first: Model, other: Model) -> None:
    mine, its = _settings(first), _settings(other)
    for key in mine | its:
        if mine.get(key) != its.get(key):
            raise MismatchError(
                f"{first.folder} and {other.folder} differ in {key}: {mine.get(key)!r} and "
                f"{its.get(key)!r}; evaluate runs of different settings one by one"
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
