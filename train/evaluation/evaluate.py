"""`zscr evaluate`: the same figures for a run, by torch, and for a bundle, by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zscr.artefact import write_atomically
from zscr.errors import ConfigError
from zscr.infer.evaluation.embedded import Judged, query_texts
from zscr.infer.evaluation.extremes import find_extremes
from zscr.infer.evaluation.figures import DEFINITIONS
from zscr.infer.evaluation.generalised import evaluate, mean_evaluation
from zscr.infer.evaluation.page import ORACLE, render_page
from zscr.infer.evaluation.retrieved import retrieved_classes, write_retrieved
from zscr.train.evaluation.models import Model, open_models


def evaluate_model(
    model: Path | Sequence[Path],
    collection: Path | None = None,
    split: str = "unseen",
    *,
    noise_samples: int = 0,
    controls: bool = False,
    generalised: bool = False,
    retrieved_res: Path | None = None,
    page: Path | None = None,
) -> dict[str, Any]:
    """Retrieve a split's images by its classes' texts.

    Args:
        model: a run's or a bundle's folder; several that differ in their seed alone give means
            and standard deviations.
        collection: another collection than the one it was trained on.
        split: `unseen` (the reported figures) or `val`.
        noise_samples: draws of noise averaged per query; a bundle has its own folded in.
        controls: judge the controls too; of a run, which has the features.
        generalised: judge with the seen classes' images in the gallery as well.
        retrieved_res: folder for the reference's own result pickle, of the first model.
        page: file for the report as one HTML page, generalised and, of a run, with controls.

    Raises:
        ArtefactError: a folder is neither a run nor a bundle.
        ConfigError: an option that only a run has was given for a bundle, or the validation
            classes for a model that was trained on them.
        MismatchError: the models differ in more than their seed.
    """
    folders = [model] if isinstance(model, Path) else list(model)
    models = open_models(folders, collection, noise_samples=noise_samples, controls=controls)
    if split == "val" and models[0].about["selection"] == ORACLE:
        raise ConfigError(
            f"{folders[0]} was trained on the validation classes, for the unseen ones selected "
            f"(select_on_test); judge it with --split unseen"
        )
    if page:
        generalised, controls = True, models[0].features is not None
    splits = (split, "seen") if generalised else (split,)
    first, *others = models
    judged = [first.judge(name) for name in splits]
    evaluations = [evaluate(*judged)]
    evaluations += [evaluate(*(other.judge(name) for name in splits)) for other in others]
    report = _head(models, split) | mean_evaluation(evaluations).to_json()
    if others:
        report["runs"] = [
            {"model": str(m.folder), "seed": m.about["seed"], **e.to_json()}
            for m, e in zip(models, evaluations, strict=True)
        ]
    if controls:
        report["controls"] = _controls(first, splits)
    report["definitions"] = dict(DEFINITIONS)
    if retrieved_res:
        report["retrieved_res"] = str(write_reference_result(judged[0], retrieved_res))
    if page:
        _write_page(page, report, first, judged[0], split)
    return report


def write_reference_result(judged: Judged, folder: Path) -> Path:
    """Write the top 50 of every query in the reference's form; return the file."""
    rows = retrieved_classes(
        judged.queries,
        judged.gallery,
        query_classes=judged.query_classes,
        gallery_classes=judged.gallery_classes,
    )
    return write_retrieved(folder, rows)


def _head(models: Sequence[Model], split: str) -> dict[str, Any]:
    first = models[0]
    about = {key: value for key, value in first.about.items() if key != "sources"}
    collection = {"collection": first.collection.name, "protocol": first.collection.protocol}
    seeds = {"seeds": [model.about["seed"] for model in models]}
    return {"model": str(first.folder), **collection, "split": split, **about, **seeds}


def _controls(model: Model, judged_on: Sequence[str]) -> dict[str, Any]:
    from zscr.train.evaluation.controls import control_figures

    assert model.features is not None, "a bundle has no features"
    splits = {name: model.features(name) for name in {"seen", "val", *judged_on}}
    return control_figures(model.collection, splits, judged_on, model.about["seed"])


def _write_page(
    path: Path, report: Mapping[str, Any], model: Model, judged: Judged, split: str
) -> None:
    collection = model.collection
    texts = query_texts(collection, split, encoded=model.encodes_text)
    images = {i.id: collection.folder / i.image for i in collection.items if i.image}
    page = render_page(report, find_extremes(judged, texts, images))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page.encode())
