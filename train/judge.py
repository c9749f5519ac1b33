"""`zscr evaluate`: the same figures for a run, by torch, and for a bundle, by onnxruntime."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from zscr.data.artefact import MANIFEST
from zscr.data.collection import SPLITS, Collection
from zscr.errors import ArtefactError, ConfigError
from zscr.extras import require_extras
from zscr.infer.bundle import Bundle
from zscr.infer.controls import control_figures
from zscr.infer.evaluate import Judged, bundle_collection, judge_bundle
from zscr.infer.retrieved import retrieved_classes, write_retrieved
from zscr.infer.split import load_split


def evaluate_model(
    model: Path,
    collection: Path | None = None,
    split: str = "unseen",
    *,
    noise_samples: int = 0,
    controls: bool = False,
    retrieved_res: Path | None = None,
) -> dict[str, Any]:
    """Retrieve a split's pictures by its classes' texts.

    Args:
        model: a run's or a bundle's folder.
        collection: another collection than the one it was trained on.
        split: `unseen` (the reported figures) or `val`.
        noise_samples: draws of noise averaged per query; a bundle has its own folded in.
        controls: add ridge regression and colour histograms; of a run, which has the features.
        retrieved_res: folder for the reference's own result pickle.

    Raises:
        ArtefactError: the folder is neither a run nor a bundle.
        ConfigError: an option that only a run has was given for a bundle.
    """
    if (model / "query.onnx").is_file():
        if noise_samples or controls:
            raise ConfigError(f"{model} is a bundle; --noise-samples and --controls take a run")
        found, judged, extra = _judge_bundle(model, collection, split)
    elif (model / MANIFEST).is_file():
        found, judged, extra = _judge_run(model, collection, split, noise_samples, controls)
    else:
        raise ArtefactError(f"{model} is neither a run nor a bundle; run 'zscr train' first")
    if retrieved_res:
        extra["retrieved_res"] = str(write_reference_result(judged, retrieved_res))
    about = {"collection": found.name, "protocol": found.protocol, "split": split}
    return {"model": str(model.resolve()), **about, **judged.report().to_json(), **extra}


def write_reference_result(judged: Judged, folder: Path) -> Path:
    """Write the top 50 of every query in the reference's form; return the file."""
    rows = retrieved_classes(
        judged.queries,
        judged.gallery,
        query_classes=judged.query_classes,
        gallery_classes=judged.gallery_classes,
    )
    return write_retrieved(folder, rows)


def _judge_bundle(
    model: Path, path: Path | None, split: str
) -> tuple[Collection, Judged, dict[str, Any]]:
    bundle = Bundle.open(model)
    collection = bundle_collection(bundle, path)
    provenance = bundle.manifest.body["provenance"]
    extra = {"kind": "bundle", "method": bundle.manifest.body["method"]}
    extra |= {name: provenance[name] for name in ("mode", "selection", "seed", "versions")}
    return collection, judge_bundle(bundle, collection, split), extra


def _judge_run(
    model: Path, path: Path | None, split: str, noise_samples: int, controls: bool
) -> tuple[Collection, Judged, dict[str, Any]]:
    require_extras("judging a run", "train", "cpu")
    from zscr.train.fit import load_sources
    from zscr.train.loop import judge
    from zscr.train.methods import selection
    from zscr.train.run import open_run, versions

    run = open_run(model.resolve())
    collection, encoders = load_sources(run, path)
    splits = {
        name: load_split(collection, name, encoders.image, encoders.text)
        for name in (SPLITS if controls else (split,))
    }
    method = run.load_best()
    method.average_noise(noise_samples)
    extra: dict[str, Any] = {"kind": "run", "seed": run.config.seed, "versions": versions()}
    extra |= {"method": run.method, "mode": run.mode, "config": asdict(run.config)}
    extra |= {"selection": selection(run.config), "last": run.last}
    extra |= {"best": run.best, "noise_samples": noise_samples}
    if controls:
        extra["controls"] = control_figures(collection, splits)
    return collection, judge(method, splits[split]), extra


ROWS = ("Prec@1 macro", "Prec@10 macro", "Prec@50 macro", "AP@50 hits", "AP@50 relevant", "mAP")


def table(report: dict[str, Any]) -> str:
    """Lay a report out for a terminal: the model's figures, then each control's."""
    lines = [
        f"{report['collection']}, {report['split']} classes: {report['queries']} queries, "
        f"{report['gallery']} pictures, {report['classes']} classes",
        f"{report['protocol']}; mode {report['mode']}, {report['selection']}, "
        f"seed {report['seed']}, torch {report['versions']['torch']}",
        "",
        f"{'':38}" + "".join(f"{name.removesuffix(' macro'):>15}" for name in ROWS),
    ]
    lines.append(_row(f"{report['method']} ({report['kind']})", report["metrics"]))
    lines.append(_row("ceiling", _ceilings(report["metrics"])))
    lines.append(_row("chance", dict.fromkeys(ROWS[:3], report["chance"])))
    for name, figures in report.get("controls", {}).items():
        lines.append(_row(name, figures.get("metrics") or _as_macro(figures)))
    return "\n".join(lines)


def _row(name: str, figures: dict[str, float]) -> str:
    cells = (f"{figures[key]:15.3f}" if key in figures else f"{'':15}" for key in ROWS)
    return f"{name:38}" + "".join(cells)


def _ceilings(figures: dict[str, float]) -> dict[str, float]:
    pairs = {key: key.replace("macro", "ceiling") for key in ROWS[:3]}
    return {key: figures[name] for key, name in pairs.items()}


def _as_macro(figures: dict[str, float]) -> dict[str, float]:
    return {key if key == "mAP" else f"{key} macro": value for key, value in figures.items()}
