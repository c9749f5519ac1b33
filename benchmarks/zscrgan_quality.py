r"""`zscrgan` on unseen classes over several seeds: with and without each part, beside the controls.

    python benchmarks/zscrgan_quality.py aviary sketchy25-clip --seeds 5
    python benchmarks/zscrgan_quality.py sketchy25-clip --ablation-seeds 0 \
        --image-encoder efficientnet-lite0

Each seed trains by the collection's recipe: rounds and settings are chosen on the validation
classes, the final weights fitted on these too, and judged on the unseen classes once. So is the
method without each of its parts. The controls see the same frozen features and choose and refit on
the same classes. What uses the gallery (queries expanded by it, embeddings diffused over it) is
judged for the method and for the controls. Runs are kept in `runs/quality` and not trained again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from machine import describe

from zscr.data.registry import find_collection
from zscr.data.tasks import load_task
from zscr.infer.evaluation.gallery_use import GalleryUse
from zscr.infer.evaluation.generalised import evaluate, mean_evaluation
from zscr.infer.evaluation.page_controls import chosen
from zscr.infer.evaluation.paired import paired_difference
from zscr.infer.index.diffusion import Diffusion
from zscr.infer.index.expansion import Expansion
from zscr.train.evaluation.controls import fitted_controls, image_feature, judged
from zscr.train.evaluation.model import Model
from zscr.train.evaluation.models import open_models
from zscr.train.fit import Request, fit, resume
from zscr.train.methods.registry import load_method

RESULTS = Path(__file__).parent / "results"
METHOD = "zscrgan"
PARTS: Mapping[str, Mapping[str, Any]] = load_method(METHOD).ABLATIONS  # type: ignore[attr-defined]
USES = {
    "": GalleryUse(),
    "expanded": GalleryUse(expansion=Expansion(5)),
    "diffused": GalleryUse(diffusion=Diffusion()),
}
GENERALISED = ("", "expanded")
FIGURES = ("Prec@1 macro", "Prec@10 macro", "Prec@50 macro", "AP@50 hits", "mAP", "Top-1")
SPLITS = ("unseen", "seen")
Reports = dict[str, dict[str, Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("collections", nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--ablation-seeds", type=int, default=3, help="of the method without parts")
    parser.add_argument("--image-encoder", help="[the recipe's]")
    parser.add_argument("--name", help="[the collection's] of the results' file")
    arguments = parser.parse_args()
    for name in arguments.collections:
        counts = {METHOD: arguments.seeds} | dict.fromkeys(PARTS, arguments.ablation_seeds)
        result = measure(find_collection(name), counts, arguments.image_encoder)
        named = arguments.name or result["collection"]
        if arguments.image_encoder:  # apart from the results that the tables are made of
            path = RESULTS / f"encoder_{named}_{result['image_encoder']}.json"
        else:
            path = RESULTS / f"zscrgan_{named}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")
        print(f"{result['collection']}: {result['queries']} queries, {result['gallery']} images")
        for row, found in result["rows"].items():
            print(line(row, found))


def measure(
    folder: Path, counts: Mapping[str, int], image_encoder: str | None = None
) -> dict[str, Any]:
    """Train and judge the method with and without its parts, and the controls, on a collection.

    Args:
        folder: of the collection.
        counts: seeds of the method, and of the method without each of its parts.
        image_encoder: path or name; None for the recipe's.
    """
    models = {}
    for left_out, count in counts.items():
        if not count:
            continue
        own, seeds = PARTS.get(left_out, {}), range(7, 7 + count)
        name = METHOD if left_out == METHOD else f"{METHOD} {left_out}"
        models[name] = open_models(
            [trained(folder, own, seed, image_encoder) for seed in seeds], None
        )
    first = models[METHOD][0]
    reports: Reports = {}
    for use in USES:
        reports |= {named(name, use): of_models(found, use) for name, found in models.items()}
    reports |= of_controls(first)
    return summarise(reports, models) | {"machine": describe()}


def trained(
    folder: Path, settings: Mapping[str, Any], seed: int, image_encoder: str | None
) -> Path:
    """Train one seed, or go on with it; a run of other settings is refused."""
    told = "-".join(f"{key}={value}" for key, value in settings.items())
    parts = (folder.name, image_encoder, METHOD, told, str(seed))
    out = Path("runs/quality") / "-".join(filter(None, parts))
    both = {"seed": seed} | dict(settings)
    if out.exists():
        return resume(out, settings=both).folder
    return fit(Request(METHOD, folder, out, both, image_encoder, device="cpu")).folder


def named(name: str, use: str) -> str:
    return ", ".join(filter(None, (name, use)))


def of_models(models: Sequence[Model], use: str) -> dict[str, Any]:
    """Return the mean figures of runs that differ in their seed, with each run's mAP."""
    parts = SPLITS if use in GENERALISED else SPLITS[:1]
    tasks = [load_task(models[0].collection, "text", split) for split in parts]
    found = [
        evaluate(*(model.rank(task, features=True) for task in tasks), use=USES[use])
        for model in models
    ]
    runs = {"runs": [one.plain.metrics["mAP"] for one in found]}
    return mean_evaluation(found).to_json() | runs


def of_controls(model: Model) -> Reports:
    """Return the figures of each control alone, and with what the gallery tells."""
    assert model.features is not None, "the collections have images and texts"
    splits, reports = {name: model.features(name) for name in SPLITS}, {}
    feature = image_feature(model)
    for control in fitted_controls(model, parts=False):
        for use, applied in USES.items():
            parts = SPLITS if use in GENERALISED else SPLITS[:1]
            found = (judged(control, splits[split], split, feature) for split in parts)
            figures = evaluate(*found, use=applied).to_json() | {"chosen": chosen(control.chosen)}
            reports[named(control.name, use)] = figures
    return reports


def summarise(reports: Reports, models: Mapping[str, Sequence[Model]]) -> dict[str, Any]:
    """Keep what the tables show: figures, deviations, and how far the method is ahead of each."""
    main_report, first = reports[METHOD], models[METHOD][0]
    about = ("queries", "gallery", "groups", "chance")
    result: dict[str, Any] = {"benchmark": "zscrgan on unseen classes"}
    task = load_task(first.collection, "text", "unseen")
    result |= {"collection": first.collection.name, "protocol": task.protocol, "split": "unseen"}
    result |= {key: main_report[key] for key in about}
    result["seeds"] = [model.about["seed"] for model in models[METHOD]]
    result["selection"] = first.about["selection"]
    result["image_encoder"] = first.about["sources"]["image"]["name"]
    result["config"] = {k: v for k, v in first.about["config"].items() if k != "seed"}
    result["rounds"] = [model.about["best"]["step"] for model in models[METHOD]]
    result["rows"] = {name: row(report, reports, name) for name, report in reports.items()}
    return result


def row(report: dict[str, Any], reports: Reports, name: str) -> dict[str, Any]:
    """Return one row: its figures, and the method's lead over it with as much of the gallery."""
    use = next((use for use in USES if use and name.endswith(f", {use}")), "")
    ours = reports[named(METHOD, use)]
    found = {"figures": kept(report["metrics"]), "sd": kept(report.get("sd", {}))}
    found |= {key: report[key] for key in ("runs", "chosen") if key in report}
    if report is not ours:
        found["difference"] = paired_difference(ours, report)
    if use:  # what the gallery adds to the same model or control
        found["gain"] = paired_difference(report, reports[name.removesuffix(f", {use}")])
    if "generalised" in report:
        parts = {side: report["generalised"][side]["metrics"] for side in ("unseen", "harmonic")}
        found["generalised"] = {side: kept(figures) for side, figures in parts.items()}
    return found


def kept(figures: Mapping[str, float]) -> dict[str, float]:
    return {key: figures[key] for key in FIGURES if key in figures}


def line(name: str, found: Mapping[str, Any]) -> str:
    """Lay a row out for the terminal."""
    figures = found["figures"]
    text = f"  {name:55} mAP {figures['mAP']:.3f} Prec@10 {figures['Prec@10 macro']:.3f}"
    for key in ("difference", "gain"):
        if key in found:
            low, high = found[key]["interval"]
            text += f"  {key} {found[key]['mean']:+.3f} [{low:+.3f}, {high:+.3f}]"
    return text


if __name__ == "__main__":
    main()
